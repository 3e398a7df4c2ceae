import { describe, expect, it } from "vitest";
import { ArrayGuestMemory } from "../../src/devices/virtio/guest-memory.ts";
import { ENTROPY_REQUEST, EntropyDevice } from "../../src/devices/virtio/rng/rng.ts";
import { MmioTransport } from "../../src/devices/virtio/transport-mmio.ts";
import { Driver, VERSION_1 } from "./driver.ts";

function setup(memory = new ArrayGuestMemory(1 << 16)) {
  const asked: number[] = [];
  const device = new EntropyDevice(memory, (length) => asked.push(length));
  const transport = new MmioTransport("virtio1", device, () => {});
  const driver = new Driver(memory, transport);
  return { memory, asked, device, transport, driver };
}

function started() {
  const all = setup();
  all.driver.negotiate(VERSION_1);
  const queue = all.driver.queue(0, 8);
  all.driver.go();
  return { ...all, queue };
}

const bytes = (length: number, from: number) => new Uint8Array(length).map((_, i) => from + i);

describe("entropy device (§5.4)", () => {
  it("is device 4 with one queue", () => {
    const { driver, device } = setup();
    expect(driver.get(0x08)).toBe(4);
    expect(device.queues.length).toBe(1);
  });

  it("asks the backend when the guest asks, once at a time, and fills the buffer", () => {
    const { asked, device, queue } = started();
    expect(asked).toEqual([]);
    queue.receive(64);
    queue.notify();
    queue.receive(32);
    queue.notify();
    expect(asked).toEqual([64]);
    device.accept(bytes(64, 1));
    expect(queue.take()!.bytes).toEqual(bytes(64, 1));
    expect(asked).toEqual([64, 32]);
    device.accept(bytes(32, 100));
    expect(queue.take()!.bytes).toEqual(bytes(32, 100));
    expect(asked.length).toBe(2);
  });

  it("may give less than the buffer has room for, and says how much (§5.4.6.2)", () => {
    const { asked, device, queue } = started();
    queue.receive(4096);
    queue.notify();
    expect(asked).toEqual([ENTROPY_REQUEST]);
    device.accept(bytes(10, 1));
    expect(queue.take()!.length).toBe(10);
  });

  it("returns buffers that it can't write to", () => {
    const { asked, queue } = started();
    queue.send(bytes(4, 1));
    queue.receive(4);
    queue.notify();
    expect(queue.take()!.length).toBe(0);
    expect(asked).toEqual([4]);
  });

  it("drops what comes after a reset, and asks again for the next driver", () => {
    const { asked, device, driver, queue } = started();
    queue.receive(16);
    queue.notify();
    driver.set(0x70, 0);
    device.accept(bytes(16, 1));
    expect(queue.usedIndex).toBe(0);
    driver.negotiate(VERSION_1);
    const again = driver.queue(0, 8);
    driver.go();
    again.receive(8);
    again.notify();
    expect(asked).toEqual([16, 8]);
    device.accept(bytes(8, 1));
    expect(again.take()!.length).toBe(8);
  });

  it("waits for the buffer's page and then asks again", () => {
    const { asked, device, queue, memory } = started();
    queue.receive(16);
    queue.notify();
    for (let page = 0; page < 16; page++) memory.absent.add(page);
    device.accept(bytes(16, 1));
    expect(queue.usedIndex).toBe(0);
    memory.absent.clear();
    device.resume();
    device.accept(bytes(16, 3));
    expect(asked).toEqual([16, 16]);
    expect(queue.take()!.bytes).toEqual(bytes(16, 3));
  });

  it("is saved with its request, which is made again for the new host", () => {
    const { transport, queue, memory } = started();
    queue.receive(16);
    queue.notify();
    const copy = setup();
    copy.memory.bytes.set(memory.bytes);
    copy.transport.load(structuredClone(transport.save()));
    copy.device.restart();
    expect(copy.asked).toEqual([16]);
    copy.device.accept(bytes(16, 9));
    memory.bytes.set(copy.memory.bytes);
    expect(queue.take()!.bytes).toEqual(bytes(16, 9));
  });
});
