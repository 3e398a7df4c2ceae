/** A VM with Debian's Linux in it: commands, its terminal's size, and powering off when asked. */

import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CLI, put, run, scratch, wardian } from "./run.ts";

const MINUTES = 60_000;
const dir = scratch();
const env = { WARDIAN_VM_DIR: join(dir, "vms") };
const vm = (...args: string[]) => wardian(args, { env });

test(
  "runs commands, has the terminal's size, a folder and a disk that grows, and powers off when it is asked",
  async () => {
    const shared = join(dir, "shared");
    mkdirSync(shared);
    writeFileSync(join(shared, "greeting"), "from the host\n");
    // Provisioning, if there is any, says its steps.
    expect(
      (
        await vm(
          "create",
          "web",
          "--memory",
          "256M",
          "--disk-size",
          "16M",
          "--hostname",
          "web",
          "--share",
          `${shared}:src:ro`,
        )
      ).status,
    ).toBe(0);
    try {
      expect((await vm("start", "web")).stdout).toMatch(/^web is running/);
      const command = "cat /proc/meminfo | head -1; echo wrong >&2; exit 7";
      const outcome = await vm("exec", "web", command, "--timeout", "240");
      expect(outcome).toMatchObject({ status: 7, stderr: "wrong\n" });
      expect(outcome.stdout).toMatch(/^MemTotal/);
      expect(JSON.parse((await vm("show", "web", "--json")).stdout).status.agent).toBe(true);

      // The seed is the second disk: ISO 9660 with its label (the volume's, at 16 sectors and 40 bytes).
      const label = await vm(
        "exec",
        "web",
        "dd if=/dev/vdb bs=1 skip=32808 count=6 2>/dev/null; echo; cat /sys/block/vdb/ro",
      );
      expect(label.stdout).toBe("CIDATA\n1\n");
      expect((await vm("exec", "web", "echo kept | dd of=/dev/vda bs=512 seek=9 conv=sync && sync")).status).toBe(0);

      const share = "mount -t virtiofs src /mnt && cat /mnt/greeting; touch /mnt/no 2>/dev/null || umount /mnt";
      expect((await vm("exec", "web", share)).stdout).toBe("from the host\n");

      // A disk that grows while it is in use.
      expect((await vm("exec", "web", "blockdev --getsz /dev/vda")).stdout).toBe("32768\n");
      expect((await vm("resize", "web", "+16M")).stdout).toBe("disk 0 of web has 32 MiB (33554432 bytes)\n");
      const grown =
        "until [ $(blockdev --getsz /dev/vda) = 65536 ]; do sleep 0.1; done; dd if=/dev/vda bs=1M skip=31 | wc -c";
      expect((await vm("exec", "web", grown, "--timeout", "240")).stdout).toBe("1048576\n");
      for (const [size, why] of [
        ["16M", /^error: The disk has 33554432 bytes; while a machine has it, it can only grow\.\n$/],
        ["33M", undefined],
      ] as const) {
        const { status, stderr } = await vm("resize", "web", size);
        if (why) expect(stderr).toMatch(why);
        expect(status).toBe(why ? 1 : 0);
      }
      expect((await vm("resize", "web", "1G", "--disk", "1")).stderr).toMatch(
        /^error: The VM "web" has no disk 1; .*\n$/,
      );

      // A terminal of 101 columns, which Ctrl-A x leaves as it was.
      const script = put(
        dir,
        "session.sh",
        `stty rows 37 cols 101; before=$(stty -g)
        '${process.execPath}' '${CLI}' console web; echo "status=$?"
        if [ "$(stty -g)" = "$before" ]; then echo restored; fi`,
      );
      const session = await run("script", ["-qec", `sh '${script}'`, "/dev/null"], {
        input: null,
        env,
        during: ({ stdin, stdout }) => {
          let shown = "";
          let left = false;
          const typed = setInterval(() => stdin.write("stty size\r"), 1000);
          stdout.on("data", (chunk: string) => {
            shown += chunk;
            if (left || !shown.includes("37 101")) return;
            left = true;
            clearInterval(typed);
            stdin.write("\x01x");
          });
          stdout.on("end", () => clearInterval(typed));
        },
      });
      expect(session.stdout).toMatch(/status=0\r?\nrestored/);

      // Asked to, it powers off by itself.
      expect((await vm("stop", "web", "--timeout", "120")).stdout).toBe("web has stopped: the guest has powered off\n");
      expect((await vm("logs", "web")).stdout).toContain("Linux version");
    } finally {
      await vm("stop", "--force", "web");
    }

    // Stopped, a disk can become larger and smaller.
    expect((await vm("resize", "web", "20M")).stderr).toMatch(/to cut it down to 20971520, .* use --shrink\.\n$/);
    expect((await vm("resize", "web", "20M", "--shrink")).stdout).toBe("disk 0 of web has 20 MiB (20971520 bytes)\n");
    expect((await vm("set", "web", "console", "virtio")).status).toBe(0);

    // What was written is there at the next start, also when that is killed.
    expect((await vm("clone", "web", "web2")).status).toBe(0);
    for (const name of ["web", "web2"]) {
      expect((await vm("start", name)).status).toBe(0);
      expect((await vm("exec", name, "dd if=/dev/vda bs=512 skip=9 count=1 2>/dev/null | head -1")).stdout).toBe(
        "kept\n",
      );
      expect((await vm("exec", name, "blockdev --getsz /dev/vda; cat /sys/class/tty/console/active")).stdout).toBe(
        "40960\nttyS0 hvc0\n",
      );
      const { status } = JSON.parse((await vm("show", name, "--json")).stdout) as { status: { pid: number } };
      const killed = spawn("kill", ["-9", String(status.pid)]);
      await new Promise((resolve) => killed.once("exit", resolve));
    }
  },
  20 * MINUTES,
);

test(
  "commits a disk while its guest writes to it, and the guest sees nothing of it",
  async () => {
    const [base, overlay, raw] = ["base.qcow2", "overlay.qcow2", "base.raw"].map((name) => join(dir, name)) as [
      string,
      string,
      string,
    ];
    await run("qemu-img", ["create", "-q", "-f", "qcow2", base, "24M"]);
    await run("qemu-img", ["create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", overlay]);
    expect((await vm("create", "writer", "--memory", "256M", "--disk-size", "1M", "--disk", overlay)).status).toBe(0);
    const guest = async (command: string): Promise<string> => {
      const { status, stdout, stderr } = await vm("exec", "writer", `set -e; ${command}`, "--timeout", "240");
      expect({ command, status, stderr }).toEqual({ command, status: 0, stderr: "" });
      return stdout;
    };
    try {
      expect((await vm("start", "writer")).status).toBe(0);
      await guest(
        "mke2fs /dev/vdb >/dev/null; modprobe ext4; mount -t ext4 /dev/vdb /mnt; cp /bin/busybox /mnt/first; sync",
      );
      // It writes, syncs and reads what it has written, until it is told to end.
      await guest(
        `(n=0; while [ ! -e /end ]; do n=$((n+1)); f=/mnt/f$((n % 8)); seq $n $((n + 20000)) >$f; sync; echo 3 >/proc/sys/vm/drop_caches;
          [ "$(head -n 1 $f)" = $n ] && [ "$(tail -n 1 $f)" = $((n + 20000)) ] || echo $n >>/wrong; echo $n >/rounds; done; touch /ended) >/dev/null 2>&1 </dev/null &`,
      );
      const rounds = async () => Number(await guest("cat /rounds 2>/dev/null || echo 0"));
      const after = async (n: number) => {
        while ((await rounds()) < n);
      };
      await after(3);
      for (let n = 0; n < 3; n++) {
        expect((await vm("commit", "writer", "--disk", "1")).stdout).toBe(`${base} has what disk 1 of writer had\n`);
        await after((await rounds()) + 3);
      }
      expect(
        await guest("touch /end; until [ -e /ended ]; do sleep 0.1; done; cat /wrong 2>/dev/null || echo none"),
      ).toBe("none\n");
      expect(await guest("cmp /mnt/first /bin/busybox; umount /mnt; dmesg | grep -ci 'i/o error' || true")).toBe("0\n");
      expect((await vm("commit", "writer", "--disk", "1")).status).toBe(0);
    } finally {
      await vm("stop", "--force", "writer");
    }
    for (const path of [base, overlay]) expect((await run("qemu-img", ["check", path])).status).toBe(0);
    // The base alone has it all.
    expect((await run("qemu-img", ["compare", base, overlay])).stdout).toMatch(/identical/);
    await run("qemu-img", ["convert", "-O", "raw", base, raw]);
    const { status, stdout } = await run("e2fsck", ["-fn", raw]);
    expect(status, stdout).toBe(0);
    expect(readFileSync(raw).length).toBe(24 << 20);
  },
  20 * MINUTES,
);
