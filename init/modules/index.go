package modules

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
)

// index is what the image builder wrote beside the modules, in depmod's formats.
type index struct {
	deps  map[string]entry // by canonical name
	alias []alias
	pre   map[string][]string
	post  map[string][]string
}

type entry struct {
	path string   // below the modules' directory
	deps []string // paths, in the order of modules.dep: the last is to be loaded first
}

type alias struct {
	prefix  string // of the pattern, up to its first wildcard: a cheap first test
	pattern string
	module  string
}

func readIndex(dir fs.FS) (*index, error) {
	x := &index{deps: map[string]entry{}, pre: map[string][]string{}, post: map[string][]string{}}
	for file, line := range map[string]func([]string){
		"modules.dep":     x.addDep,
		"modules.alias":   x.addAlias,
		"modules.softdep": x.addSoftdep,
	} {
		f, err := dir.Open(file)
		if err != nil {
			return nil, fmt.Errorf("the modules' index: %w", err)
		}
		err = eachLine(f, line)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("the modules' index: %s: %w", file, err)
		}
	}
	return x, nil
}

func eachLine(r io.Reader, f func(fields []string)) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if fields := strings.Fields(lines.Text()); len(fields) > 1 || len(fields) == 1 && strings.HasSuffix(fields[0], ":") {
			if !strings.HasPrefix(fields[0], "#") {
				f(fields)
			}
		}
	}
	return lines.Err()
}

// addDep takes "kernel/a/b.ko: kernel/c/d.ko …".
func (x *index) addDep(f []string) {
	p := strings.TrimSuffix(f[0], ":")
	x.deps[nameOf(p)] = entry{p, f[1:]}
}

// addAlias takes "alias PATTERN MODULE".
func (x *index) addAlias(f []string) {
	if len(f) != 3 {
		return
	}
	pattern := canonical(f[1])
	prefix := pattern
	if i := strings.IndexAny(pattern, "*?["); i >= 0 {
		prefix = pattern[:i]
	}
	x.alias = append(x.alias, alias{prefix, pattern, canonical(f[2])})
}

// addSoftdep takes "softdep MODULE pre: A B post: C".
func (x *index) addSoftdep(f []string) {
	if len(f) < 3 {
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
	for _, a := range x.alias {
		if !strings.HasPrefix(name, a.prefix) {
			continue
		}
		// Aliases have no slash in them, so that path.Match's * is the kernel's.
		_, here := x.deps[a.module]
		if ok, _ := path.Match(a.pattern, name); ok && here {
			found = append(found, a.module)
		}
	}
	return found
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
