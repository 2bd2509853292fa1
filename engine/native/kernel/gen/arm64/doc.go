// Package arm64 writes Go assembly for arm64: functions of the calling convention ABI0
// without a frame, whose registers it chooses.
//
// There are only a few types: a [File] has functions and a pool of constants; a [Func] is a
// list of instructions, whose operands are a [Reg] each, numbered when all are known; an
// [Op] is an instruction on vectors.
//
// Go's assembler has names for few instructions on vectors of floats. These instructions are
// therefore written as words, each with its name in a comment, as the assembler of GNU
// spells it; [Words] reads both back, so that a disassembler can tell whether they agree.
//
// # Caveats
//
// Functions have the registers R0 to R15 and R19 to R25, and all of V. The others belong to
// the linker (R16, R17), the system (R18), closures (R26), Go's assembler (R27), the runtime
// (R28, R29) and the return (R30). Functions call nothing and have no frame, so no stack grows
// below them; a goroutine is not preempted within them.
package arm64
