package kernel

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// The files of an unpacked kernel package. Modules keep their paths.
const (
	treeImage     = "vmlinuz"
	treeConfig    = "config"
	treeCopyright = "copyright"
	treeDTB       = "dtb"
	treeModules   = "modules"
	treeIndex     = "index.json"
	treeSymbols   = "symbols"

	// treeFormat is part of an unpacked package's directory name: what another
	// version of this program has left behind is not read.
	treeFormat = 1
)

// index is what is known of a kernel package once every module has been read.
type index struct {
	Release string `json:"release"`
	// Modules maps paths, as below /lib/modules/RELEASE, without compression.
	Modules map[string]Modinfo `json:"modules"`
	// Builtin are the paths of modules.builtin.
	Builtin []string `json:"builtin"`

	// symbols has a file of its own: as JSON it would take most of the time of
	// reading the index.
	symbols map[string]uint32
}

func (ix *index) write(dir string) error {
	data, err := json.Marshal(ix)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, treeIndex), data, 0o644); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, treeSymbols))
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	for _, name := range slices.Sorted(maps.Keys(ix.symbols)) {
		fmt.Fprintf(w, "%08x %s\n", ix.symbols[name], name)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}

func readIndex(dir string) (*index, error) {
	data, err := os.ReadFile(filepath.Join(dir, treeIndex))
	if err != nil {
		return nil, err
	}
	var ix index
	if err := json.Unmarshal(data, &ix); err != nil {
		return nil, fmt.Errorf("%s: %w", treeIndex, err)
	}
	f, err := os.Open(filepath.Join(dir, treeSymbols))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if ix.symbols, err = readSymbols(f); err != nil {
		return nil, fmt.Errorf("%s: %w", treeSymbols, err)
	}
	return &ix, nil
}

func readSymbols(r io.Reader) (map[string]uint32, error) {
	symbols := make(map[string]uint32)
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		crc, name, ok := strings.Cut(lines.Text(), " ")
		n, err := strconv.ParseUint(crc, 16, 32)
		if !ok || err != nil {
			return nil, fmt.Errorf("line %q is not a CRC and a name", lines.Text())
		}
		symbols[name] = uint32(n)
	}
	return symbols, lines.Err()
}
