/** One machine in the page, from the press of Start until the next. */

import { type Exit, Machine, type MachineOptions } from "../../browser.ts";
import { PageTerminal } from "../../host/browser/terminal.ts";
import { element, showAlert, showPane } from "./elements.ts";
import { Keys } from "./keys.ts";
import { Meter } from "./meter.ts";
import { onTheme, theme } from "./theme.ts";

/** Phones have room for few columns; this makes it forty or so. */
const SMALL_SCREEN = "(max-width: 40rem)";
/** Milliseconds without another change, before the guest hears of the terminal's size. */
const SETTLED_MS = 200;

/** The terminal outlives machines: what the last one said can still be read. */
export class Console {
  readonly terminal: PageTerminal;
  readonly #keys: Keys;
  #machine: Machine | undefined;
  #settle: ReturnType<typeof setTimeout> | undefined;
  #telling = false;

  constructor() {
    this.terminal = new PageTerminal(element("screen"), {
      theme: theme(),
      fontSize: matchMedia(SMALL_SCREEN).matches ? 12 : 14,
      onLeave: () => document.querySelector<HTMLElement>("#bar button:enabled")?.focus(),
    });
    onTheme((changed) => {
      this.terminal.theme = changed;
    });
    this.#keys = new Keys(this.terminal);
    this.terminal.onInput = (bytes) => this.#machine?.console.write(this.#keys.typed(bytes));
    this.terminal.onResize = () => {
      clearTimeout(this.#settle);
      this.#settle = setTimeout(() => this.#tellSize(), SETTLED_MS);
    };
  }

  /** Connects a machine that is about to start. */
  connect(machine: Machine): void {
    this.#machine = machine;
    machine.console.onData((bytes) => this.terminal.submit(bytes));
    this.powerOn();
  }

  /** Its machine begins anew, and so does the terminal. */
  powerOn(): void {
    this.#telling = false;
    this.terminal.reset();
    void this.#tellSize();
    this.terminal.focus();
  }

  /** A serial line doesn't know the size of the terminal: the guest's agent does what `resize` would. */
  async #tellSize(): Promise<void> {
    const machine = this.#machine;
    if (!machine || this.#telling) return;
    this.#telling = true;
    const { columns, rows } = this.terminal.size;
    // Guests without an agent never answer, and are asked no second time.
    const told = await machine.exec(`stty -F /dev/ttyS0 rows ${rows} cols ${columns}`).catch(() => undefined);
    if (machine !== this.#machine) return;
    this.#telling = false;
    const now = this.terminal.size;
    if (told && (now.columns !== columns || now.rows !== rows)) void this.#tellSize();
  }
}

export class Session {
  readonly #machine: Machine;
  readonly #meter: Meter;
  #paused = false;
  #ended = false;

  private constructor(machine: Machine) {
    this.#machine = machine;
    this.#meter = new Meter(machine);
    this.#show("running");
    machine.on("paused", (message) => {
      this.#show("waiting");
      showAlert(`${message} The machine waits for it.`);
    });
    machine.on("resumed", () => {
      this.#show(this.#paused ? "paused" : "running");
      showAlert(undefined);
    });
    void machine.exited.then((exit) => this.#over(exit));
  }

  /**
   * Makes a machine, with progress on the page, and starts it.
   * @throws what Machine.create does; what the signal says when it is aborted
   */
  static async start(options: MachineOptions, screen: () => Console, signal: AbortSignal): Promise<Session> {
    showLoading("Loading", 0, 0);
    showPane("loading");
    const progress: MachineOptions["progress"] = ({ step, done, total }) => showLoading(step, done, total);
    const machine = await Machine.create({ ...options, progress, signal });
    showPane("machine");
    screen().connect(machine);
    const session = new Session(machine);
    await machine.start();
    return session;
  }

  async togglePause(): Promise<void> {
    if (this.#ended) return;
    this.#paused = !this.#paused;
    await (this.#paused ? this.#machine.pause() : this.#machine.resume());
    if (!this.#ended) this.#show(this.#paused ? "paused" : "running");
  }

  /** Power off and on, and on again if it was paused. */
  async reset(screen: Console): Promise<void> {
    if (this.#ended) return;
    await this.#machine.reset();
    if (this.#paused) await this.togglePause();
    screen.powerOn();
  }

  async powerOff(): Promise<void> {
    await this.#machine.stop();
  }

  #show(state: "running" | "paused" | "waiting" | "off"): void {
    element("state").textContent = state;
    element("pause").textContent = state === "paused" ? "Resume" : "Pause";
    for (const id of ["pause", "reset"]) element<HTMLButtonElement>(id).disabled = state === "off";
    element("off").textContent = state === "off" ? "Choose another" : "Power off";
  }

  #over({ kind, code, report }: Exit): void {
    this.#ended = true;
    this.#meter.close();
    this.#show("off");
    if (kind === "crash") showAlert(`The machine can't go on.\n${report ?? ""}`.trim());
    else if (kind === "code" && code !== 0) showAlert(`The guest has ended with code ${code}.`);
  }
}

function showLoading(step: string, done: number, total: number): void {
  const bar = element<HTMLProgressElement>("progress");
  element("step").textContent = step;
  if (total > 0) {
    bar.max = total;
    bar.value = done;
  } else {
    bar.removeAttribute("value");
  }
  const of = total > 0 ? ` of ${megabytes(total)} MB` : " MB";
  element("amount").textContent = done > 0 ? `${megabytes(done)}${of}` : "";
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);
