/**
 * Compiled regions as text to be read: nearly WebAssembly's text format, with
 * names in place of numbers that mean something only together with a core.
 * Expressions are folded; labels are named by how deep they are; a value that
 * was pushed on a line of its own is `(pop)`.
 */

import { type FunctionBody, type FunctionType, readModule, valueType, type WasmModule } from "./module.ts";
import { type Instruction, instructionOf } from "./opcodes.ts";
import { type Reader, WasmError } from "./reader.ts";

/** Names for what a core's regions refer to; undefined: the number is all there is. */
export interface Naming {
  /** Of a local. */
  local(index: number): string | undefined;
  /** Of a load's or store's offset. @param base the local that the address is, if it is one */
  offset(offset: number, base: string | undefined): string | undefined;
  /** Of the argument of a call. @param callee the function's name */
  argument(callee: string, position: number, value: number): string | undefined;
}

const PLAIN: Naming = {
  local: () => undefined,
  offset: () => undefined,
  argument: () => undefined,
};

/** Columns of an expression on one line. */
const WIDTH = 110;

interface Expression {
  readonly name: string;
  /** Immediates and notes. */
  readonly text: string;
  readonly operands: readonly Expression[];
  /** Of a constant of 32 bits. */
  readonly value?: number;
}

const POP: Expression = { name: "pop", text: "", operands: [] };

/** The whole module. @throws WasmError when it isn't the translator's */
export function moduleText(bytes: Uint8Array, naming: Naming = PLAIN): string {
  const module = readModule(bytes);
  const functions = module.functions.map((_, i) => functionLines(module, i, naming).map((line) => `  ${line}`));
  return [
    "(module",
    ...module.types.map((type, i) => `  (type $${i} (func${signature(type)}))`),
    ...module.imports.map((text) => `  (import ${text})`),
    ...module.imported.map(({ name, place, type }) => `  (import ${place} (func $${name} (type $${type})))`),
    ...functions.flat(),
    ")\n",
  ].join("\n");
}

/** One function of a module. @throws WasmError */
export function functionText(bytes: Uint8Array, index: number, naming: Naming = PLAIN): string {
  return `${functionLines(readModule(bytes), index, naming).join("\n")}\n`;
}

function signature({ params, results }: FunctionType): string {
  const list = (word: string, types: readonly string[]) => (types.length ? ` (${word} ${types.join(" ")})` : "");
  return list("param", params) + list("result", results);
}

function functionName({ imported, names }: WasmModule, number: number): string {
  return `$${imported[number]?.name ?? names.get(number) ?? number - imported.length}`;
}

function functionLines(module: WasmModule, index: number, naming: Naming): string[] {
  const body = module.functions[index];
  if (!body) throw new WasmError(`there is no function ${index}`);
  const number = module.imported.length + index;
  const exported = module.exports.get(number);
  const head = `(func ${functionName(module, number)}${exported ? ` (export "${exported}")` : ""}`;
  return [`${head} (type $${body.type})`, ...new Printer(module, body, naming).lines(), ")"];
}

class Printer {
  readonly #module: WasmModule;
  readonly #naming: Naming;
  readonly #code: Reader;
  readonly #hints: ReadonlyMap<number, boolean>;
  readonly #lines: string[] = [];
  /** What has been pushed and not yet printed. */
  #pending: Expression[] = [];
  #depth = 0;

  constructor(module: WasmModule, { code, hints }: FunctionBody, naming: Naming) {
    this.#module = module;
    this.#naming = naming;
    this.#code = code;
    this.#hints = hints;
  }

  lines(): string[] {
    while (!this.#code.done) this.#instruction();
    return this.#lines;
  }

  #instruction(): void {
    const at = this.#code.at;
    const { instruction, code } = this.#opcode();
    const { name } = instruction;
    if (name === "end") this.#end();
    else if (name === "else") {
      this.#flush();
      this.#depth--;
      this.#line("else");
      this.#depth++;
    } else if (instruction.immediate === "block") this.#block(instruction, this.#hintAt(at));
    else if (instruction.immediate === "function") this.#call(name, this.#code.unsigned());
    else if (instruction.immediate === "i32") {
      const value = Number(this.#code.signed());
      this.#push({ name, text: `${value}`, operands: [], value });
    } else {
      const operands = this.#pop(instruction.pops);
      const expression = { name, text: this.#immediate(instruction, operands) + this.#hintAt(at), operands };
      if (instruction.pushes) this.#push(expression);
      else this.#statement(expression);
    }
    if (code === 0x0f || code === 0x0c) this.#pending = [];
  }

  #opcode(): { instruction: Instruction; code: number } {
    const first = this.#code.byte();
    const code = first === 0xfc || first === 0xfd ? first * 0x1000 + this.#code.unsigned() : first;
    const instruction = instructionOf(code);
    if (!instruction) throw new WasmError(`0x${code.toString(16)} is no instruction that the translator writes`);
    return { instruction, code };
  }

  #immediate({ immediate }: Instruction, operands: readonly Expression[]): string {
    switch (immediate) {
      case "local":
        return this.#local(this.#code.unsigned());
      case "label":
        return this.#label(this.#code.unsigned());
      case "memory": {
        this.#code.unsigned(); // alignment, which is never promised
        const offset = this.#code.unsigned();
        if (offset === 0) return "";
        return `offset=${this.#naming.offset(offset, baseOf(operands[0])) ?? offset}`;
      }
      case "i64":
        return `${this.#code.signed()}`;
      case "f32":
        return `${this.#code.float(4)}`;
      case "f64":
        return `${this.#code.float(8)}`;
      case "lane":
        return `${this.#code.byte()}`;
      default:
        return "";
    }
  }

  #local(index: number): string {
    const name = this.#naming.local(index);
    return name === undefined ? `${index}` : `$${name}`;
  }

  /** A label's name: how many enclose it. That of the function itself is 0. */
  #label(out: number): string {
    return `$${this.#depth - out}`;
  }

  #hintAt(at: number): string {
    const likely = this.#hints.get(at);
    return likely === undefined ? "" : ` (; ${likely ? "likely" : "unlikely"} ;)`;
  }

  #block({ name, pops }: Instruction, hint: string): void {
    const operands = this.#pop(pops);
    const type = this.#code.byte();
    this.#flush();
    const result = type === 0x40 ? "" : ` (result ${valueType(type)})`;
    const head = `${name} $${this.#depth + 1}${result}${hint}`;
    this.#print(head, operands);
    this.#depth++;
  }

  #end(): void {
    this.#flush();
    if (this.#depth === 0) return; // the function's own
    this.#depth--;
    this.#line("end");
  }

  #call(name: string, number: number): void {
    const { imported, functions, types } = this.#module;
    const type = types[(imported[number] ?? functions[number - imported.length])?.type ?? -1];
    if (!type) throw new WasmError("a call has no type");
    const callee = functionName(this.#module, number);
    const expression = { name, text: callee, operands: this.#named(callee, this.#pop(type.params.length)) };
    if (name.startsWith("return")) this.#statement(expression);
    else if (type.results.length) this.#push(expression);
    else this.#statement(expression);
  }

  #named(callee: string, operands: readonly Expression[]): Expression[] {
    return operands.map((operand, i) => {
      const text = operand.value === undefined ? undefined : this.#naming.argument(callee, i, operand.value);
      return text === undefined ? operand : { ...operand, text };
    });
  }

  #push(expression: Expression): void {
    this.#pending.push(expression);
  }

  #pop(count: number): Expression[] {
    const have = Math.min(count, this.#pending.length);
    return [...Array<Expression>(count - have).fill(POP), ...this.#pending.splice(this.#pending.length - have)];
  }

  #statement(expression: Expression): void {
    this.#flush();
    this.#print(head(expression), expression.operands);
  }

  #flush(): void {
    for (const expression of this.#pending.splice(0)) this.#print(head(expression), expression.operands);
  }

  #print(text: string, operands: readonly Expression[]): void {
    for (const line of wrapped(text, operands, WIDTH - 2 * this.#depth)) this.#line(line);
  }

  #line(text: string): void {
    this.#lines.push(`${"  ".repeat(this.#depth + 1)}${text}`);
  }
}

function head({ name, text }: Expression): string {
  return text === "" ? name : `${name} ${text.trimStart()}`;
}

function folded(expression: Expression): string {
  return `(${[head(expression), ...expression.operands.map(folded)].join(" ")})`;
}

/** An expression in as many lines as its width asks for, without parentheses around it. */
function wrapped(text: string, operands: readonly Expression[], width: number): string[] {
  const one = [text, ...operands.map(folded)].join(" ");
  if (one.length <= width || operands.length === 0) return [one];
  const inner = operands.flatMap((operand) => {
    const lines = wrapped(head(operand), operand.operands, width - 4);
    lines[0] = `(${lines[0]}`;
    lines[lines.length - 1] += ")";
    return lines;
  });
  return [text, ...inner.map((line) => `  ${line}`)];
}

/** The local that an address is. */
function baseOf(address: Expression | undefined): string | undefined {
  return address?.name.startsWith("local.") ? address.text : undefined;
}
