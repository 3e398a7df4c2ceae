/**
 * Names of control and status registers of RV64 (Privileged, CSR Listing; the
 * Advanced Interrupt Architecture; External Debug).
 */

const names = new Map<number, string>();

function list(first: number, text: string): void {
  text.split(" ").forEach((name, n) => {
    if (name !== "-") names.set(first + n, name);
  });
}

function numbered(first: number, prefix: string, from: number, to: number, suffix = ""): void {
  for (let n = from; n <= to; n++) names.set(first + n - from, `${prefix}${n}${suffix}`);
}

list(0x001, "fflags frm fcsr");
list(0x008, "vstart vxsat vxrm");
list(0x00f, "vcsr");
list(0x015, "seed");
list(0x100, "sstatus - - - sie stvec scounteren - - - senvcfg - sstateen0 sstateen1 sstateen2 sstateen3");
list(0x140, "sscratch sepc scause stval sip");
list(0x14d, "stimecmp");
list(0x150, "siselect sireg");
list(0x15c, "stopei");
list(0x180, "satp");
list(0x5a8, "scontext");
list(0x200, "vsstatus - - - vsie vstvec");
list(0x240, "vsscratch vsepc vscause vstval vsip");
list(0x24d, "vstimecmp");
list(0x250, "vsiselect vsireg");
list(0x25c, "vstopei");
list(0x280, "vsatp");
list(0x300, "mstatus misa medeleg mideleg mie mtvec mcounteren - mvien mvip menvcfg");
list(0x30c, "mstateen0 mstateen1 mstateen2 mstateen3");
list(0x320, "mcountinhibit");
numbered(0x323, "mhpmevent", 3, 31);
list(0x340, "mscratch mepc mcause mtval mip");
list(0x34a, "mtinst mtval2");
list(0x350, "miselect mireg");
list(0x35c, "mtopei");
numbered(0x3a0, "pmpcfg", 0, 15);
numbered(0x3b0, "pmpaddr", 0, 63);
list(0x600, "hstatus - hedeleg hideleg hie htimedelta hcounteren hgeie hvien hvictl henvcfg");
list(0x60c, "hstateen0 hstateen1 hstateen2 hstateen3");
list(0x643, "htval hip hvip hviprio1 hviprio2");
list(0x64a, "htinst");
list(0x680, "hgatp");
list(0x6a8, "hcontext");
list(0x747, "mseccfg");
list(0x7a0, "tselect tdata1 tdata2 tdata3 tinfo tcontrol - - mcontext - mscontext");
list(0x7b0, "dcsr dpc dscratch0 dscratch1");
list(0xb00, "mcycle - minstret");
numbered(0xb03, "mhpmcounter", 3, 31);
list(0xc00, "cycle time instret");
numbered(0xc03, "hpmcounter", 3, 31);
list(0xc20, "vl vtype vlenb");
list(0xda0, "scountovf");
list(0xdb0, "stopi");
list(0xe12, "hgeip");
list(0xeb0, "vstopi");
list(0xf11, "mvendorid marchid mimpid mhartid mconfigptr");
list(0xfb0, "mtopi");

/** The register's name, or its number in hexadecimal. */
export const csrName = (csr: number): string => names.get(csr) ?? `0x${csr.toString(16)}`;
