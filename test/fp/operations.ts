/** One computation of the room and the instruction that defines it. */
export interface Operation {
  /** The room's export. */
  name: string;
  /** Operands in ft0.. or in {x}; result in ft3 or in {r}. Dynamic rounding where there is a choice. */
  assembly: string;
  from: "f32" | "f64" | "int";
  to: "f32" | "f64" | "int";
  arity: 1 | 2 | 3;
  rounds: boolean;
}

type Format = "f32" | "f64";
const suffix = { f32: "s", f64: "d" };

function ofFormat(format: Format): Operation[] {
  const s = suffix[format];
  const operation = (
    name: string,
    assembly: string,
    arity: 1 | 2 | 3,
    rounds: boolean,
    from: Operation["from"] = format,
    to: Operation["to"] = format,
  ): Operation => ({ name: format + name, assembly, from, to, arity, rounds });
  return [
    operation("Add", `fadd.${s} ft3, ft0, ft1`, 2, true),
    operation("Sub", `fsub.${s} ft3, ft0, ft1`, 2, true),
    operation("Mul", `fmul.${s} ft3, ft0, ft1`, 2, true),
    operation("Div", `fdiv.${s} ft3, ft0, ft1`, 2, true),
    operation("Sqrt", `fsqrt.${s} ft3, ft0`, 1, true),
    operation("Fma", `fmadd.${s} ft3, ft0, ft1, ft2`, 3, true),
    operation("Min", `fmin.${s} ft3, ft0, ft1`, 2, false),
    operation("Max", `fmax.${s} ft3, ft0, ft1`, 2, false),
    operation("Eq", `feq.${s} {r}, ft0, ft1`, 2, false, format, "int"),
    operation("Lt", `flt.${s} {r}, ft0, ft1`, 2, false, format, "int"),
    operation("Le", `fle.${s} {r}, ft0, ft1`, 2, false, format, "int"),
    operation("Class", `fclass.${s} {r}, ft0`, 1, false, format, "int"),
    operation("ToI32", `fcvt.w.${s} {r}, ft0`, 1, true, format, "int"),
    operation("ToU32", `fcvt.wu.${s} {r}, ft0`, 1, true, format, "int"),
    operation("ToI64", `fcvt.l.${s} {r}, ft0`, 1, true, format, "int"),
    operation("ToU64", `fcvt.lu.${s} {r}, ft0`, 1, true, format, "int"),
    operation("FromI32", `fcvt.${s}.w ft3, {x}`, 1, true, "int"),
    operation("FromU32", `fcvt.${s}.wu ft3, {x}`, 1, true, "int"),
    operation("FromI64", `fcvt.${s}.l ft3, {x}`, 1, true, "int"),
    operation("FromU64", `fcvt.${s}.lu ft3, {x}`, 1, true, "int"),
    format === "f64"
      ? operation("ToF32", "fcvt.s.d ft3, ft0", 1, true, "f64", "f32")
      : operation("ToF64", "fcvt.d.s ft3, ft0", 1, false, "f32", "f64"),
  ];
}

export const operations: Operation[] = [...ofFormat("f32"), ...ofFormat("f64")];

/** Those with a variant in fp/fast. */
export const fastOperations = operations.filter(({ name }) => /^f..(Add|Sub|Mul|Div|Sqrt|Fma)$/.test(name));
