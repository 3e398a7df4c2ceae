/** A few ranges of positions, sorted and apart from each other. */

export interface Range {
  start: number;
  end: number;
}

export class Ranges {
  readonly #limit: number;
  #list: Range[] = [];

  /** @param limit how many there may be */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get list(): readonly Range[] {
    return this.#list;
  }

  /** Adds a range, joined with those that it touches. @returns the range that has it now; undefined: there are too many */
  add(start: number, end: number): Range | undefined {
    const list = this.#list;
    let from = 0;
    while (from < list.length && list[from]!.end < start) from++;
    let to = from;
    const joined = { start, end };
    for (; to < list.length && list[to]!.start <= end; to++) {
      joined.start = Math.min(joined.start, list[to]!.start);
      joined.end = Math.max(joined.end, list[to]!.end);
    }
    if (to === from && list.length >= this.#limit) return undefined;
    list.splice(from, to - from, joined);
    return joined;
  }

  /** Forgets what is before a position. */
  release(position: number): void {
    while (this.#list.length > 0 && this.#list[0]!.end <= position) this.#list.shift();
    const first = this.#list[0];
    if (first && first.start < position) first.start = position;
  }

  clear(): void {
    this.#list = [];
  }

  /** How much of a stretch is in ranges. */
  within(start: number, end: number): number {
    let sum = 0;
    for (const range of this.#list) sum += Math.max(0, Math.min(end, range.end) - Math.max(start, range.start));
    return sum;
  }
}
