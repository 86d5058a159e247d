package kernel

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Indexes writes what depmod would write for an installation of just these
// modules, which must be a closure of this kernel: modules.dep, modules.alias and
// modules.softdep as modprobe reads them, and modules.builtin of the package, by
// file name. The same modules give the same bytes.
func (k *Kernel) Indexes(closure []Module) map[string][]byte {
	var dep, alias, softdep, builtin bytes.Buffer
	sorted := slices.SortedFunc(slices.Values(closure), func(a, b Module) int { return cmp.Compare(a.Path, b.Path) })
	for _, m := range sorted {
		fmt.Fprintf(&dep, "%s:", m.Path)
		for _, name := range m.Depends {
			fmt.Fprintf(&dep, " %s", k.modules[name].Path)
		}
		dep.WriteByte('\n')
		for _, pattern := range m.Info.Aliases {
			fmt.Fprintf(&alias, "alias %s %s\n", pattern, m.Name)
		}
		for _, line := range m.Info.Softdeps {
			fmt.Fprintf(&softdep, "softdep %s %s\n", m.Name, strings.TrimSpace(line))
		}
	}
	for _, path := range slices.Sorted(maps.Values(k.builtin)) {
		fmt.Fprintln(&builtin, path)
	}
	return map[string][]byte{
		"modules.dep":     dep.Bytes(),
		"modules.alias":   alias.Bytes(),
		"modules.softdep": softdep.Bytes(),
		"modules.builtin": builtin.Bytes(),
	}
}
