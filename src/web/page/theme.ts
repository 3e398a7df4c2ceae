/** The terminal's colours: sixteen that can be read on a light and on a dark ground. */

import type { ITheme } from "@xterm/xterm";

const LIGHT: ITheme = {
  background: "#fdfdfb",
  foreground: "#1a2126",
  cursor: "#0b6e6e",
  cursorAccent: "#fdfdfb",
  selectionBackground: "#b9dcdc",
  scrollbarSliderBackground: "#1a212626",
  scrollbarSliderHoverBackground: "#1a212640",
  black: "#1a2126",
  red: "#a4161a",
  green: "#2b6a2b",
  yellow: "#7a5600",
  blue: "#1d4f9c",
  magenta: "#83267d",
  cyan: "#0b6e6e",
  white: "#6b757c",
  brightBlack: "#56636c",
  brightRed: "#c4282c",
  brightGreen: "#38803a",
  brightYellow: "#8f6700",
  brightBlue: "#2c66bd",
  brightMagenta: "#9b3a95",
  brightCyan: "#12807f",
  brightWhite: "#3b454b",
};

const DARK: ITheme = {
  background: "#0c0f11",
  foreground: "#e4e9ec",
  cursor: "#4fc3c3",
  cursorAccent: "#0c0f11",
  selectionBackground: "#2b4a4b",
  scrollbarSliderBackground: "#e4e9ec26",
  scrollbarSliderHoverBackground: "#e4e9ec40",
  black: "#39434a",
  red: "#ff7b7b",
  green: "#83d18a",
  yellow: "#e6c15c",
  blue: "#7fb0f5",
  magenta: "#dd9bd8",
  cyan: "#6fd3d3",
  white: "#d3dade",
  brightBlack: "#83919a",
  brightRed: "#ffa1a1",
  brightGreen: "#a5e3aa",
  brightYellow: "#f3d98a",
  brightBlue: "#a8cbfa",
  brightMagenta: "#ecbfe8",
  brightCyan: "#9be6e6",
  brightWhite: "#ffffff",
};

const dark = matchMedia("(prefers-color-scheme: dark)");

export const theme = (): ITheme => (dark.matches ? DARK : LIGHT);

/** Calls back when the user's choice has changed. */
export function onTheme(listener: (theme: ITheme) => void): void {
  dark.addEventListener("change", () => listener(theme()));
}
