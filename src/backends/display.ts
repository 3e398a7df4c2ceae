/** A part of the picture, in pixels from the top left. */
export interface DisplayRectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A key, button or movement, as evdev's type, code and value. */
export interface DisplayInput {
  readonly type: number;
  readonly code: number;
  readonly value: number;
}

export interface Display {
  readonly width: number;
  readonly height: number;
  /** Shows pixels (RGBA, 8 bits each, rows without padding) in `at`; the array belongs to the display from then on. */
  submit(at: DisplayRectangle, pixels: Uint8Array): void;
  /** Called for what the user does, and when the size has changed; set by the machine. */
  onInput: ((input: DisplayInput) => void) | undefined;
  onResize: (() => void) | undefined;
}
