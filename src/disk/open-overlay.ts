/**
 * Commits an overlay that stays open. Its backing file, of which it has been a
 * reader, is written for as long as that takes; afterwards it is a reader again.
 *
 * An image knows its tables from when it was opened, so none may stay that was
 * opened before somebody else has written: the one that writes is put under the
 * overlay before its first write, and an image that is opened anew after its last
 * one takes its place. What is further down nobody writes, and it is handed on.
 */

import type { BlockFile } from "../backends/block-file.ts";
import { type CommitOptions, checkOverlay, commitOverlay } from "./commit.ts";
import type { Image } from "./image.ts";
import { type Decompress, Qcow2Image } from "./qcow2/image.ts";
import { RawImage } from "./raw.ts";

/** The file under an overlay, which is known to be there. */
export interface BackingFile {
  /** Opens it for its only writer, while everybody else is kept out, readers too. @throws DiskError */
  openToWrite(): Promise<WrittenFile>;
  /** @throws DiskError */
  openToRead(): BlockFile | Promise<BlockFile>;
}

export interface WrittenFile {
  readonly file: BlockFile;
  /** The file is closed: others may read it again. */
  release(): void;
}

export class OpenOverlay {
  readonly #name: string;
  readonly #overlay: Qcow2Image;
  readonly #backing: BackingFile;
  readonly #decompress: Decompress | undefined;
  /** What is under the overlay while it is written. */
  #writing: (WrittenFile & { readonly image: Image }) | undefined;

  /**
   * @param name    of the overlay, for messages
   * @param overlay the image, with what is under it; whoever opened it closes it
   */
  constructor(name: string, overlay: Qcow2Image, backing: BackingFile, decompress?: Decompress) {
    this.#name = name;
    this.#overlay = overlay;
    this.#backing = backing;
    this.#decompress = decompress;
  }

  /**
   * Writes all that the overlay holds to its backing file, and empties it. Nothing
   * else may be asked of the overlay meanwhile. When it fails the overlay still
   * hides whatever is only half done.
   * @throws DiskError; the signal's reason
   */
  async commit(options: CommitOptions = {}): Promise<void> {
    const overlay = this.#overlay;
    checkOverlay(this.#name, { backing: overlay.backing !== undefined, snapshots: overlay.header.snapshots.count });
    // After an earlier commit that may not have been possible.
    await this.#giveBack();
    const under = await this.#take();
    try {
      // What hides the backing file's changes must be as safe as they are.
      await overlay.flush();
      await commitOverlay(overlay, under, options);
    } finally {
      // If that fails it stays the writer, and nothing is wrong but that others can't read the file yet.
      await this.#giveBack().catch(() => {});
    }
  }

  /** Becomes the backing file's writer. */
  async #take(): Promise<Image> {
    const reader = this.#overlay.backing!;
    const { file, release } = await this.#backing.openToWrite();
    try {
      const image = await this.#open(file, reader);
      this.#writing = { file, image, release };
      this.#exchange(image);
      // Nothing was written by it, so there is nothing to lose.
      await reader.close().catch(() => {});
      return image;
    } catch (error) {
      await file.close();
      release();
      throw error;
    }
  }

  /** Becomes its reader again. */
  async #giveBack(): Promise<void> {
    if (!this.#writing) return;
    const { file, image, release } = this.#writing;
    try {
      await image.flush();
      // Clusters that were given up are free in memory now, and in the file after this.
      await image.flush();
    } catch {
      // Whatever has got into the file is in order, as after a cut; the rest is still in the overlay.
    }
    const again = await this.#backing.openToRead();
    try {
      this.#exchange(await this.#open(again, image));
    } catch (error) {
      await again.close();
      throw error;
    }
    this.#writing = undefined;
    // The file alone: what the image could not write is not to be tried by whoever has no lock.
    await file.close();
    release();
  }

  /** Opens the backing file as `like` has it, over what is under that. */
  async #open(file: BlockFile, like: Image): Promise<Image> {
    if (!(like instanceof Qcow2Image))
      return new RawImage(file, { guessed: this.#overlay.header.backing?.format === undefined });
    const decompress = this.#decompress;
    return Qcow2Image.open(file, { ...(like.backing && { backing: like.backing }), ...(decompress && { decompress }) });
  }

  #exchange(image: Image): void {
    const before = this.#overlay.exchangeBacking(image);
    // That goes on under `image`, and must not be closed with it.
    if (before instanceof Qcow2Image) before.exchangeBacking(undefined);
  }
}
