/** One end of an Ethernet link. Frames are whole, from the destination address on, without checksum. */
export interface Link {
  /** Sends a frame; the array belongs to the link from then on. Frames may be dropped. */
  submit(frame: Uint8Array): void;
  /** Called for each frame that arrives; set by the machine. */
  onFrame: ((frame: Uint8Array) => void) | undefined;
}
