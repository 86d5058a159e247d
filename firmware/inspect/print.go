package inspect

import (
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Print writes the report as tables for people. Of the modules it tells how many
// there are in each part of the kernel's tree; all lists each of them.
func (r *Report) Print(w io.Writer, all bool) error {
	t := &table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	t.line("image", r.Image)
	t.line("size", bytesOf(r.Size))
	if r.Loader != nil {
		t.line("boot loader", r.Loader.Version, r.Loader.Path)
	}
	t.heading("partition", "offset", "size")
	for _, p := range r.Partitions {
		t.line(p.Name, bytesOf(p.Offset), bytesOf(p.Size))
	}
	if r.State != nil {
		t.heading("slot to start", "good slot", "tries left")
		t.line(string(r.State.Slot), string(r.State.Good), fmt.Sprint(r.State.Left))
		if r.State.Damaged != "" {
			t.line(r.State.Damaged)
		}
	}
	for _, s := range r.Slots {
		s.print(t, all)
	}
	return t.Flush()
}

func (s *Slot) print(t *table, all bool) {
	place := s.Path
	if s.Partition != "" {
		place = "partition " + s.Partition + ", " + s.Path
	}
	t.heading("system", place)
	t.line("board", s.Release.Board)
	version := s.Release.Version
	if s.Release.Debug {
		version += " (debug: root shell on the console)"
	}
	t.line("version", version)
	t.line("of", s.Release.Time.UTC().Format(time.DateTime)+" UTC")
	t.line("kernel", s.Kernel)
	t.line("command line", s.Cmdline)
	if s.Stub != "" {
		t.line("stub", s.Stub)
	}
	t.line("size", bytesOf(int64(s.Size)))
	t.line("sha256", s.SHA256)
	t.line("initramfs", fmt.Sprintf("%s, unpacked %s", bytesOf(int64(s.Packed)), bytesOf(s.Unpacked)))
	ravenna := "none"
	if s.Release.RavennaModule != "" {
		ravenna = s.Release.RavennaModule
	}
	t.line("RAVENNA module", ravenna)

	t.heading("section", "size")
	for _, section := range s.Sections {
		t.line(section.Name, bytesOf(int64(section.Size)))
	}
	t.heading("program", "size", "compiler", "modules")
	for _, p := range s.Programs {
		t.line("/"+p.Path, bytesOf(int64(p.Size)), p.Go, fmt.Sprint(p.Modules))
	}
	t.heading("kernel modules", "size", "number")
	for _, g := range groups(s.Modules, all) {
		t.line(g.name, bytesOf(g.size), fmt.Sprint(g.number))
	}
}

// group is modules taken together.
type group struct {
	name   string
	size   int64
	number int
}

// groups sums modules up by the first three parts of their path, or not at all, and
// ends with the sum of all.
func groups(modules []Module, all bool) []group {
	var list []group
	sum := group{name: "all"}
	for _, m := range modules {
		name := m.Path
		if !all {
			dirs := strings.Split(path.Dir(m.Path), "/")
			name = strings.Join(dirs[:min(len(dirs), 3)], "/")
		}
		i := slices.IndexFunc(list, func(g group) bool { return g.name == name })
		if i < 0 {
			i, list = len(list), append(list, group{name: name})
		}
		for _, g := range []*group{&list[i], &sum} {
			g.size, g.number = g.size+int64(m.Size), g.number+1
		}
	}
	slices.SortFunc(list, func(a, b group) int { return strings.Compare(a.name, b.name) })
	return append(list, sum)
}

// table writes aligned columns.
type table struct{ *tabwriter.Writer }

// line writes to memory; an error would come from Flush.
func (t *table) line(cells ...string) { fmt.Fprintln(t, strings.Join(cells, "\t")) }

// heading begins a table with columns of its own.
func (t *table) heading(cells ...string) {
	fmt.Fprintln(t)
	for i := range cells {
		cells[i] = strings.ToUpper(cells[i][:1]) + cells[i][1:]
	}
	t.line(cells...)
}

// bytesOf writes a size for people.
func bytesOf(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d B", n)
}
