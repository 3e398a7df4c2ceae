/** Networks of pages: switches that connect their machines with each other. */

import type { Link, NetworkOptions, PortOptions } from "../../backends/link.ts";
import type { Timing } from "../../backends/timing.ts";
import { MachineError } from "../../hypervisor/machine.ts";
import type { TransportName } from "../../machine/virtio.ts";
import { Switch as EthernetSwitch } from "../../net/switch.ts";
import { PortLink } from "./port-link.ts";

const timing: Timing = {
  now: () => performance.now(),
  later: (milliseconds, callback) => {
    const timer = setTimeout(callback, milliseconds);
    return () => clearTimeout(timer);
  },
  soon: queueMicrotask,
};

/** Joins machines of this page, as one cable would: there is nobody else on it, and no DHCP. */
export class Switch {
  readonly #switch = new EthernetSwitch(timing);
  #made = 0;

  /** Machines that are plugged in. */
  get machines(): number {
    return this.#switch.ports;
  }

  /** @internal A port for one more machine, and what unplugs it. */
  plug(): { port: MessagePort; mac: string; unplug(): void } {
    const { port1, port2 } = new MessageChannel();
    const { close } = this.#switch.attach(new PortLink(port1));
    const n = this.#made++;
    return { port: port2, mac: `52:54:00:12:${hexadecimal(n >> 8)}:${hexadecimal(n)}`, unplug: close };
  }
}

const hexadecimal = (n: number): string => (n & 0xff).toString(16).padStart(2, "0");

/** A machine's place on a switch. */
export interface PageNetwork {
  readonly kind: "switch";
  readonly switch: Switch;
  /** The guest's hardware address; the switch gives each machine another by itself. */
  readonly mac?: string;
  /** Default: "pci". */
  readonly transport?: TransportName;
}

/** @throws MachineError for what a JavaScript caller may have given */
export function checkPageNetwork(network: PageNetwork): void {
  if (network.kind !== "switch" || !(network.switch instanceof Switch))
    throw new MachineError(
      'A page\'s machines have no network but a Switch: { kind: "switch", switch: new Switch() }.',
    );
}

/** In the executor: the machine's end. */
export async function openNetwork(options: NetworkOptions | PortOptions): Promise<Link> {
  if (options.kind !== "port") throw new Error(`A page has no network of the kind ${options.kind}.`);
  return new PortLink(options.port as MessagePort);
}
