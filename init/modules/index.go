package modules

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// index is what the image builder wrote beside the modules, in depmod's formats.
//
// Reading it is on the way from the kernel's start to the page, and most of its
// thousands of aliases are never looked at: they stay text until then.
type index struct {
	deps  map[string]entry   // by canonical name
	alias map[string][]alias // by how the pattern begins, see byVendor
	pre   map[string][]string
	post  map[string][]string
}

type entry struct {
	path string   // below the modules' directory
	deps []string // paths, in the order of modules.dep: the last is to be loaded first
}

// alias is a shell pattern and the module that it stands for.
type alias struct{ pattern, module string }

func readIndex(dir fs.FS) (*index, error) {
	x := &index{deps: map[string]entry{}, alias: map[string][]alias{}, pre: map[string][]string{}, post: map[string][]string{}}
	for file, add := range map[string]func(line string){
		"modules.dep":     x.addDep,
		"modules.alias":   x.addAlias,
		"modules.softdep": x.addSoftdep,
	} {
		content, err := fs.ReadFile(dir, file)
		if err != nil {
			return nil, fmt.Errorf("the modules' index: %w", err)
		}
		for line := range strings.Lines(string(content)) {
			add(strings.TrimSuffix(line, "\n"))
		}
	}
	return x, nil
}

// addDep takes "kernel/a/b.ko: kernel/c/d.ko …".
func (x *index) addDep(line string) {
	if p, deps, ok := strings.Cut(line, ":"); ok {
		x.deps[nameOf(p)] = entry{p, strings.Fields(deps)}
	}
}

// addAlias takes "alias PATTERN MODULE".
func (x *index) addAlias(line string) {
	rest, ok := strings.CutPrefix(line, "alias ")
	if !ok {
		return
	}
	pattern, module, ok := strings.Cut(rest, " ")
	if !ok {
		return
	}
	pattern = canonical(pattern)
	key := byVendor(pattern)
	if plain(key) < len(key) {
		if key = byBus(pattern); plain(key) < len(key) {
			key = ""
		}
	}
	x.alias[key] = append(x.alias[key], alias{pattern, canonical(module)})
}

// Aliases are filed under how they begin: with bus and vendor, or else with the bus,
// as far as that is plain text in the pattern.
func byVendor(name string) string { return name[:min(len(name), len("pci:v00008086"))] }

func byBus(name string) string {
	bus, _, _ := strings.Cut(name, ":")
	return bus
}

// plain is how long a pattern's beginning without special characters is.
func plain(pattern string) int {
	for i := range len(pattern) {
		switch pattern[i] {
		case '*', '?', '[', '\\':
			return i
		}
	}
	return len(pattern)
}

// addSoftdep takes "softdep MODULE pre: A B post: C".
func (x *index) addSoftdep(line string) {
	f := strings.Fields(line)
	if len(f) < 3 || f[0] != "softdep" {
		return
	}
	module, list := canonical(f[1]), map[string][]string(nil)
	for _, word := range f[2:] {
		switch word {
		case "pre:":
			list = x.pre
		case "post:":
			list = x.post
		default:
			if list != nil {
				list[module] = append(list[module], word)
			}
		}
	}
}

// lookup returns the modules that a name or a device's alias stands for.
func (x *index) lookup(name string) []string {
	name = canonical(name)
	if _, ok := x.deps[name]; ok {
		return []string{name}
	}
	var found []string
	for _, key := range slices.Compact([]string{byVendor(name), byBus(name), ""}) {
		for _, a := range x.alias[key] {
			if !matches(a.pattern, name) {
				continue
			}
			if _, here := x.deps[a.module]; here {
				found = append(found, a.module)
			}
		}
	}
	return found
}

// matches tells whether name fits a pattern.
func matches(pattern, name string) bool {
	// Nearly all differ in their plain beginning, which is faster to see.
	if n := plain(pattern); n > len(name) || pattern[:n] != name[:n] {
		return false
	}
	// Aliases have no slash in them, so that path.Match's * is the kernel's.
	ok, _ := path.Match(pattern, name)
	return ok
}

func nameOf(p string) string { return canonical(strings.TrimSuffix(path.Base(p), ".ko")) }

// canonical writes a module's name or an alias as the kernel compares them: with _
// for -, except within brackets.
func canonical(s string) string {
	if !strings.Contains(s, "-") {
		return s
	}
	b, depth := []byte(s), 0
	for i, c := range b {
		switch {
		case c == '[':
			depth++
		case c == ']':
			depth--
		case c == '-' && depth == 0:
			b[i] = '_'
		}
	}
	return string(b)
}
