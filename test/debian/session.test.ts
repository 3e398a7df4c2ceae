/**
 * A whole Debian: its disk made from the mirror, booted to a login, on the
 * network, packages installed, a C program compiled, by ssh, over a reboot.
 */

import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { built, complaints, Machine, MINUTES, rom, transcript } from "../boot/guests.ts";

const exec = promisify(execFile);
const MIB = 2 ** 20;
/** How long anything may take on a slow and busy host; no measure of speed. */
const PATIENCE = 15 * MINUTES;
/** Installed from the start: in the guest, a compiler would take minutes to unpack. */
const COMPILER = ["gcc", "libc6-dev"];

let directory: string;
let vm: Machine;
let shown: () => string;
let port: number;
let vsock: string;

/** A port of this host that is free now. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Our recipes, with a compiler in the disk's. */
async function recipes(): Promise<string> {
  const roms = join(directory, "roms");
  await cp(rom(""), roms, { recursive: true });
  const path = join(roms, "manifest.json");
  const manifest = JSON.parse(await readFile(path, "utf8"));
  manifest["debian-disk"].packages.push(...COMPILER);
  await writeFile(path, JSON.stringify(manifest));
  return roms;
}

async function run(command: string): Promise<string> {
  const { status, stdout, stderr } = await vm.exec(command, { timeout: PATIENCE });
  expect(`${status} ${command}\n${status === 0 ? "" : stderr + stdout}`).toBe(`0 ${command}\n`);
  return stdout;
}

async function ssh(command: string, ...to: string[]): Promise<string> {
  const key = join(directory, "key");
  const options = ["StrictHostKeyChecking=no", `UserKnownHostsFile=${join(directory, "known")}`, "ConnectTimeout=300"];
  const args = [...options.flatMap((option) => ["-o", option]), ...to, "-q", "-i", key, "-p", `${port}`];
  return (await exec("ssh", [...args, "root@127.0.0.1", command])).stdout;
}

/** What joins ssh to the guest's sshd by the machine's vsock. */
const PROXY = `
import { connect } from "node:net";
const [path, port] = process.argv.slice(2);
const socket = connect(path, () => socket.write(\`CONNECT \${port}\\n\`));
let line = "";
socket.on("readable", function greeted() {
  for (let byte; (byte = socket.read(1)); line += byte) {
    if (byte[0] !== 10) continue;
    if (!line.startsWith("OK ")) throw new Error(line);
    socket.off("readable", greeted);
    process.stdin.pipe(socket).pipe(process.stdout);
    return;
  }
});
`;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "wdebian-"));
  await exec("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(directory, "key")]);
  port = await freePort();
  vsock = join(directory, "vsock");
  vm = await Machine.create({
    image: "debian-disk",
    engine: "jit",
    roms: await recipes(),
    cacheDir: built("test/cache"),
    sshKey: await readFile(join(directory, "key.pub"), "utf8"),
    network: { kind: "user", forwards: [{ protocol: "tcp", hostPort: port, guestPort: 22 }] },
    vsock: { path: vsock, cid: 7 },
    balloon: true,
  });
  shown = transcript(vm);
  await vm.start();
}, 30 * MINUTES);

afterAll(async () => {
  await vm?.stop();
  await rm(directory, { recursive: true, force: true });
});

describe("Debian on a disk", () => {
  test(
    "boots to a login, lets root in on the console, and nothing has failed",
    async () => {
      await vm.console.expect(/wardian login: /, { timeout: PATIENCE });
      vm.console.write("root\n");
      await vm.console.expect(/root@wardian:~# /, { timeout: PATIENCE });
      // "starting" until the agent that is asked has started.
      expect(await run("systemctl is-system-running --wait; systemctl --failed --quiet --no-legend")).toBe("running\n");
      expect(complaints(shown())).toEqual([]);
      const system = await run('. /etc/os-release; echo "$ID $VERSION_CODENAME"; hostname; cat /etc/default/locale');
      expect(system).toBe("debian trixie\nwardian\nLANG=C.UTF-8\n");
    },
    PATIENCE,
  );

  test(
    "has packages that are installed whole: all configured, their files as they should be",
    async () => {
      expect(await run("dpkg --audit")).toBe("");
      expect(await run("dpkg -l | tail -n +6 | cut -c 1-3 | sort -u")).toBe("ii \n");
      // Configuration files that scripts have changed aside, every file is as its package has it.
      expect(await run("dpkg --verify | grep -v ' c /etc/' || :")).toBe("");
      expect(await run("stat -c '%a %U:%G' /usr/bin/su /usr/bin/passwd /tmp /etc/shadow /var/mail")).toBe(
        "4755 root:root\n4755 root:root\n1777 root:root\n640 root:shadow\n2775 root:mail\n",
      );
      expect(await run("modprobe -n --show-depends vfat | sed 's|.*/||'; readlink /etc/resolv.conf")).toBe(
        "fat.ko.xz \nvfat.ko.xz \n../run/systemd/resolve/stub-resolv.conf\n",
      );
      expect(await run("ls /etc/ssl/certs/*.0 | wc -l")).toMatch(/^1\d\d\n$/);
    },
    PATIENCE,
  );

  test(
    "installs a package from the mirror, and compiles a C program",
    async () => {
      await run("apt-get -q -o Acquire::Languages=none update && apt-get -q -y install hello");
      expect(await run("hello")).toBe("Hello, world!\n");
      const source = '#include <stdio.h>\nint main(void) { return printf("%d\\n", 6 * 7) != 3; }\n';
      await run(`printf '%s' '${source}' >answer.c && gcc -O2 -o answer answer.c`);
      expect(await run("./answer")).toBe("42\n");
    },
    PATIENCE,
  );

  test(
    "lets root in by ssh with the key, and nobody by a password",
    async () => {
      expect(await ssh("id -un; ./answer")).toBe("root\n42\n");
      const methods = await run("sshd -T | grep -E '^(permitrootlogin|permitemptypasswords) ' | sort");
      expect(methods).toBe("permitemptypasswords no\npermitrootlogin without-password\n");
    },
    PATIENCE,
  );

  test(
    "is reached by vsock without a network, and reaches its host",
    async () => {
      const proxy = join(directory, "proxy.mjs");
      await writeFile(proxy, PROXY);
      const units = {
        "vsock.socket": "[Socket]\\nListenStream=vsock::22\\nAccept=yes\\n",
        "vsock@.service": "[Service]\\nExecStart=-/usr/sbin/sshd -i\\nStandardInput=socket\\n",
      };
      for (const [name, text] of Object.entries(units)) await run(`printf '${text}' >/run/systemd/system/${name}`);
      await run("systemctl start vsock.socket");
      const by = `ProxyCommand=${process.execPath} ${proxy} ${vsock} 22`;
      expect(await ssh("id -un; systemctl is-active vsock.socket", "-o", by)).toBe("root\nactive\n");

      const heard = new Promise<string>((resolve) => {
        const server = createServer((socket: Socket) => {
          let text = "";
          socket.setEncoding("utf8").on("data", (more) => {
            text += more;
          });
          socket.on("end", () => resolve(text));
          server.close();
        }).listen(`${vsock}_1000`);
      });
      // AF_VSOCK is 40, the host's CID 2; struct sockaddr_vm of linux/vm_sockets.h.
      const address = 'pack("SSLLx4", 40, 0, 1000, 2)';
      await run(`perl -e 'socket(S, 40, 1, 0) && connect(S, ${address}) or die $!; syswrite S, "from the guest\n"'`);
      expect(await heard).toBe("from the guest\n");
    },
    PATIENCE,
  );

  test(
    "gives memory to its balloon and gets it back",
    async () => {
      const balloon = vm.balloon!;
      const size = () => balloon.size();
      const before = await balloon.stats({ timeout: PATIENCE });
      expect(await run("grep MemTotal /proc/meminfo")).toMatch(` ${before.memory.total! / 1024} kB`);
      balloon.target = 128 * MIB;
      await expect.poll(size, { timeout: PATIENCE }).toBe(128 * MIB);
      const during = await balloon.stats({ timeout: PATIENCE });
      expect(during.memory.available!).toBeLessThan(before.memory.available! - 64 * MIB);
      balloon.target = 0;
      await expect.poll(size, { timeout: PATIENCE }).toBe(0);
    },
    PATIENCE,
  );

  test(
    "comes back from a reboot with its files",
    async () => {
      const before = (await run("cat /etc/machine-id; cat /proc/sys/kernel/random/boot_id")).split("\n");
      const login = vm.console.expect(/wardian login: /, { timeout: PATIENCE });
      await ssh("systemctl reboot").catch(() => {}); // the connection may end first
      await login;
      expect(await run("hello; ./answer; systemctl is-system-running --wait")).toBe("Hello, world!\n42\nrunning\n");
      const after = (await run("cat /etc/machine-id; cat /proc/sys/kernel/random/boot_id")).split("\n");
      expect(after[0]).toBe(before[0]);
      expect(after[1]).not.toBe(before[1]);
      expect(complaints(shown())).toEqual([]);
    },
    2 * PATIENCE,
  );

  test(
    "powers off",
    async () => {
      await ssh("systemctl poweroff").catch(() => {});
      expect(await vm.exited).toMatchObject({ kind: "poweroff" });
    },
    PATIENCE,
  );
});
