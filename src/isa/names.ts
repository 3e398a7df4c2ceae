/** Names that code generated from the table uses. */

const identifier = (name: string): string => name.replaceAll(".", "_");

/** Constant of an instruction's micro-op: "fcvt.w.s" → "OP_FCVT_W_S". */
export const opName = (name: string): string => `OP_${identifier(name).toUpperCase()}`;

/** Constant of its micro-op for a target in another page: "beq" → "OP_BEQ_FAR". */
export const farOpName = (name: string): string => `${opName(name)}_FAR`;

/** Function that executes it: "fcvt.w.s" → "fcvt_w_s". */
export const handlerName = (name: string): string => identifier(name);
