package ravenna

import (
	"debug/elf"
	"errors"
	"fmt"
	"strings"
)

// ErrNotModule is what Check says of a file that is no Linux kernel module, or a
// damaged one.
var ErrNotModule = errors.New("not a kernel module")

// ErrTooLarge is what Check says of a file beyond MaxSize.
var ErrTooLarge = errors.New("kernel module is too large")

// notModule makes an ErrNotModule with the reason.
func notModule(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrNotModule, fmt.Errorf(format, args...))
}

// MachineError says that a module is for another processor.
type MachineError struct {
	Module, Image elf.Machine
	// Headers is the package to build against.
	Headers string
}

// Error shows both sides and what to build against.
func (e *MachineError) Error() string {
	return mismatch("is for another processor", e.Module.String(), e.Image.String(), e.Headers)
}

// VermagicError says that a module was built for another kernel.
type VermagicError struct {
	Module, Image string
	// Headers is the package to build against.
	Headers string
}

// Error shows both sides and what to build against.
func (e *VermagicError) Error() string {
	return mismatch("was built for another kernel", e.Module, e.Image, e.Headers)
}

// SymbolError says that a module was built against other declarations of the
// kernel's symbols, although its vermagic fits.
type SymbolError struct {
	// Symbols are all that differ, sorted by name.
	Symbols []SymbolMismatch
	// Headers is the package to build against.
	Headers string
}

// SymbolMismatch is a symbol with its CRC on both sides.
type SymbolMismatch struct {
	Name          string
	Module, Image uint32
}

// Error shows both sides of the first few symbols, and what to build against.
func (e *SymbolError) Error() string {
	const shown = 3
	var module, image []string
	for _, s := range e.Symbols[:min(shown, len(e.Symbols))] {
		module = append(module, fmt.Sprintf("%s 0x%08x", s.Name, s.Module))
		image = append(image, fmt.Sprintf("%s 0x%08x", s.Name, s.Image))
	}
	more := ""
	if len(e.Symbols) > shown {
		more = ", …"
	}
	return mismatch(fmt.Sprintf("differs from this kernel in the version of %d of the symbols it uses", len(e.Symbols)),
		strings.Join(module, ", ")+more, strings.Join(image, ", ")+more, e.Headers)
}

// mismatch is the one way in which two sides are shown.
func mismatch(what, module, image, headers string) string {
	return fmt.Sprintf("the kernel module %s\n  module:     %s\n  this image: %s\nbuild it against the Debian package %s", what, module, image, headers)
}
