/**
 * The part of the WebAssembly API that Wardian uses. TypeScript only ships it
 * with the DOM's types, which the shared rooms must not see.
 */
declare namespace WebAssembly {
  type Bytes = ArrayBufferView | ArrayBuffer;
  class Module {
    constructor(bytes: Bytes);
    static exports(module: Module): { name: string; kind: string }[];
    static imports(module: Module): { module: string; name: string; kind: string }[];
  }
  class Memory {
    constructor(descriptor: { initial: number; maximum?: number; shared?: boolean });
    readonly buffer: ArrayBuffer | SharedArrayBuffer;
  }
  class Table {
    constructor(descriptor: { element: "anyfunc"; initial: number; maximum?: number });
    get(index: number): unknown;
    grow(by: number): number;
    set(index: number, value: unknown): void;
    readonly length: number;
  }
  class Global {
    readonly value: unknown;
  }
  class Instance {
    constructor(module: Module, imports?: Record<string, Record<string, unknown>>);
    readonly exports: Record<string, unknown>;
  }
  class RuntimeError extends Error {}
  class CompileError extends Error {}
  class LinkError extends Error {}
  function compile(bytes: Bytes): Promise<Module>;
  function instantiate(module: Module, imports?: Record<string, Record<string, unknown>>): Promise<Instance>;
  function validate(bytes: Bytes): boolean;
}
