import { Machine } from "wardian";

/** Boots a guest, uses every part of the machine's face, and tells what came of it. */
export async function run(): Promise<Record<string, unknown>> {
  const vm = await Machine.create({ image: "debian", memory: "256M", harts: 2, engine: "jit", append: "quiet" });
  const events: string[] = [];
  vm.on("exit", ({ kind }) => events.push(kind));
  let shown = 0;
  const silence = vm.console.onData((bytes) => {
    shown += bytes.length;
  });
  await vm.start();
  await vm.console.expect(/# $/, { timeout: 120_000 });
  vm.console.write("echo $((6 * 7))\n");
  const [answer] = await vm.console.expect(/\n42\b/);
  silence();
  const { status, stdout, stderr } = await vm.exec("nproc; grep -c ^processor /proc/cpuinfo; echo no >&2; exit 5");
  const streamed: string[] = [];
  await vm.exec("seq 3", { stdout: (bytes) => void streamed.push(new TextDecoder().decode(bytes)) });
  await vm.memory.write(0x8000_0000, Uint8Array.of(1, 2, 3));
  const memory = [...(await vm.memory.read(0x8000_0000n, 4))].slice(0, 3);
  const refused = await vm.memory.read(0x1000_0000, 4).catch((error: Error) => [error.name, error.message]);
  await vm.exec("echo kept > /tmp/kept");
  const again = await Machine.restore(await vm.snapshot());
  await vm.exec("poweroff").catch(() => {});
  const { kind } = await vm.exited;
  await again.start();
  const kept = (await again.exec("cat /tmp/kept")).stdout;
  const { instructions, counters } = await again.stats();
  await again.stop();
  const wrong = await Machine.create({ image: "debian", memory: "1M" }).catch((error: Error) => error.message);
  const compiled = counters.instructions === instructions;
  return {
    answer,
    shown: shown > 0,
    status,
    stdout,
    stderr,
    streamed: streamed.join(""),
    memory,
    refused,
    kind,
    events,
    kept,
    wrong,
    compiled,
    dtb: vm.dtb.length > 500,
  };
}
