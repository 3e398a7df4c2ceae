/** What each sector of a disk may hold after a cut: what the last flush has made sure of, or anything written since. */

export const SECTOR = 512;

/** One write: each of its sectors is full of its number. 0 is zeroes. */
export interface Version {
  readonly ids: readonly number[];
  completed: number;
}

export class History {
  readonly #sectors: Version[][];
  #now = 0;

  /** @param base what the disk holds at first, the number that each sector is full of */
  constructor(base: readonly number[]) {
    this.#sectors = base.map((id) => [{ ids: [id], completed: 0 }]);
  }

  /** A write begins. @returns what to call when it is complete */
  begin(offset: number, length: number, id: number): () => void {
    const versions: Version[] = [];
    this.#each(offset, length, (sector) => {
      const version: Version = { ids: [id], completed: Number.POSITIVE_INFINITY };
      sector.push(version);
      versions.push(version);
    });
    return () => {
      this.#now++;
      for (const version of versions) version.completed = this.#now;
    };
  }

  /** A discard begins: a sector keeps what it has or becomes zero. */
  beginDiscard(offset: number, length: number): () => void {
    const versions: Version[] = [];
    this.#each(offset, length, (sector) => {
      const version: Version = { ids: [...sector.at(-1)!.ids, 0], completed: Number.POSITIVE_INFINITY };
      sector.push(version);
      versions.push(version);
    });
    return () => {
      this.#now++;
      for (const version of versions) version.completed = this.#now;
    };
  }

  /** A flush begins. @returns what to call when it is complete */
  beginFlush(): () => void {
    const covered = this.#now;
    return () => {
      for (const sector of this.#sectors) {
        // Requests to a sector never overlap in time, so they are complete in the order of the list.
        let last = 0;
        while (last + 1 < sector.length && sector[last + 1]!.completed <= covered) last++;
        sector.splice(0, last);
      }
    };
  }

  /** What is wrong with a disk's content after a cut; undefined if nothing is. */
  fault(content: Uint8Array): string | undefined {
    const words = new Uint32Array(content.buffer, content.byteOffset, content.length / 4);
    for (const [i, sector] of this.#sectors.entries()) {
      const at = (i * SECTOR) / 4;
      const id = words[at]!;
      let isWhole = true;
      for (let k = 1; k < SECTOR / 4; k++) if (words[at + k] !== id) isWhole = false;
      if (isWhole && sector.some(({ ids }) => ids.includes(id))) continue;
      const may = sector.map(({ ids }) => ids.join("|")).join(", ");
      return `sector ${i} holds ${isWhole ? id : "a mixture"} and may hold ${may}`;
    }
    return undefined;
  }

  #each(offset: number, length: number, visit: (sector: Version[]) => void): void {
    for (let i = offset / SECTOR; i < (offset + length) / SECTOR; i++) visit(this.#sectors[i]!);
  }
}

/** Bytes that are full of a number. */
export function fill(length: number, id: number): Uint8Array {
  return new Uint8Array(new Uint32Array(length / 4).fill(id).buffer);
}
