package kernel

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
)

// MissingModule is a module that a kernel has neither as a file nor built in.
type MissingModule struct {
	// Name is the name or pattern as asked for.
	Name string
	// NeededBy is the module that depends on it; empty when the caller asked.
	NeededBy string
}

// MissingModulesError lists everything that a closure lacks.
type MissingModulesError struct {
	// Release is that of the kernel.
	Release string
	Missing []MissingModule
}

// Error names every missing module.
func (e *MissingModulesError) Error() string {
	var all []string
	for _, m := range e.Missing {
		text := m.Name
		if m.NeededBy != "" {
			text += " (needed by " + m.NeededBy + ")"
		}
		all = append(all, text)
	}
	return fmt.Sprintf("kernel %s has no module %s", e.Release, strings.Join(all, ", "))
}

// Closure returns the modules that patterns select and all that these need, sorted
// by path. A pattern is a module's name, a shell pattern of names
// (snd_hda_codec_*), or with a slash a shell pattern of paths
// (kernel/sound/pci/hda/*). What is built into the kernel is there already and
// selects nothing.
//
// Modules named by depends= are needed; those of softdep= are taken along where the
// kernel has them, by name or by alias. A *MissingModulesError lists everything
// that is asked for or needed and is not there.
func (k *Kernel) Closure(patterns []string) ([]Module, error) {
	var (
		missing []MissingModule
		queue   []*Module
		taken   = make(map[string]bool)
	)
	take := func(modules ...*Module) {
		for _, m := range modules {
			if !taken[m.Name] {
				taken[m.Name] = true
				queue = append(queue, m)
			}
		}
	}
	for _, pattern := range patterns {
		found, builtin, err := k.match(pattern)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 && !builtin {
			missing = append(missing, MissingModule{Name: pattern})
		}
		take(found...)
	}
	var closure []Module
	for len(queue) > 0 {
		m := queue[0]
		queue = queue[1:]
		closure = append(closure, k.withDepends(m))
		for _, name := range m.Info.Depends {
			if d, ok := k.modules[moduleName(name)]; ok {
				take(d)
			} else if _, ok := k.builtin[moduleName(name)]; !ok {
				missing = append(missing, MissingModule{Name: name, NeededBy: m.Name})
			}
		}
		for _, name := range softdeps(m.Info.Softdeps) {
			take(k.lookup(name)...)
		}
	}
	if missing != nil {
		return nil, &MissingModulesError{k.Release, missing}
	}
	slices.SortFunc(closure, func(a, b Module) int { return cmp.Compare(a.Path, b.Path) })
	return closure, nil
}

// match finds the modules that a pattern selects, and tells whether it selects
// something that is built in.
func (k *Kernel) match(pattern string) (found []*Module, builtin bool, err error) {
	wanted := normalizePattern(pattern)
	if _, err := path.Match(wanted, ""); err != nil {
		return nil, false, fmt.Errorf("module pattern %q: %w", pattern, err)
	}
	matches := func(name, file string) bool {
		if strings.Contains(wanted, "/") {
			name = strings.TrimSuffix(strings.ReplaceAll(file, "-", "_"), ".ko")
		}
		ok, _ := path.Match(strings.TrimSuffix(wanted, ".ko"), name)
		return ok
	}
	for name, file := range k.builtin {
		builtin = builtin || matches(name, file)
	}
	for name, m := range k.modules {
		if matches(name, m.Path) {
			found = append(found, m)
		}
	}
	slices.SortFunc(found, func(a, b *Module) int { return cmp.Compare(a.Path, b.Path) })
	return found, builtin, nil
}

// lookup finds modules as modprobe does: by name, else all that have a fitting
// alias.
func (k *Kernel) lookup(name string) []*Module {
	if m, ok := k.modules[moduleName(name)]; ok {
		return []*Module{m}
	}
	if _, ok := k.builtin[moduleName(name)]; ok {
		return nil
	}
	var found []*Module
	for _, m := range k.modules {
		if slices.ContainsFunc(m.Info.Aliases, func(alias string) bool { return aliasMatches(alias, name) }) {
			found = append(found, m)
		}
	}
	slices.SortFunc(found, func(a, b *Module) int { return cmp.Compare(a.Path, b.Path) })
	return found
}

// slashless makes '/' a character like any other, which it is to fnmatch(3)
// without flags, for path.Match.
var slashless = strings.NewReplacer("/", "\x01")

// aliasMatches tells whether name fits the shell pattern of an alias.
func aliasMatches(alias, name string) bool {
	ok, err := path.Match(slashless.Replace(normalizePattern(alias)), slashless.Replace(normalizePattern(name)))
	return ok && err == nil
}

// normalizePattern replaces '-' by '_', but for those within [], where '-' makes a
// range.
func normalizePattern(pattern string) string {
	text := []byte(pattern)
	inside := false
	for i, c := range text {
		switch {
		case c == '[':
			inside = true
		case c == ']':
			inside = false
		case c == '-' && !inside:
			text[i] = '_'
		}
	}
	return string(text)
}

// withDepends returns the module with its Depends filled in.
func (k *Kernel) withDepends(m *Module) Module {
	var order []string
	seen := map[string]bool{m.Name: true}
	var visit func(m *Module)
	visit = func(m *Module) {
		for _, name := range m.Info.Depends {
			d, ok := k.modules[moduleName(name)]
			if !ok || seen[d.Name] {
				continue
			}
			seen[d.Name] = true
			visit(d)
			order = append(order, d.Name)
		}
	}
	visit(m)
	slices.Reverse(order)
	full := *m
	full.Depends = order
	return full
}
