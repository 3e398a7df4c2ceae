/** The compiler that made the committed images; another may give other bytes. */
export const COMPILER: string;
/** The images' paths, relative to the directory that they are built into. */
export const images: readonly string[];
/** The installed compiler's version, or undefined. */
export function compiler(): string | undefined;
/** Builds everything into a directory, with the layout of `roms/`. */
export function build(directory?: string): void;
