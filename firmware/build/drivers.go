package build

import (
	"fmt"
	"slices"
	"strings"

	"aes67os/board"
	"aes67os/firmware/devicetree"
	"aes67os/kernel"
)

// checkDrivers makes sure that every device in the board's device tree has a driver in
// the image, but for those that the board says it does without. The error names each
// that has none, and the modules that would do.
func checkDrivers(b board.Board, tree []byte, k *kernel.Kernel) error {
	all, err := devicetree.Devices(tree)
	if err != nil {
		return err
	}
	packed, err := k.Closure(b.Modules)
	if err != nil {
		return err
	}
	image, err := k.Image()
	if err != nil {
		return err
	}
	var missing []string
	for _, d := range all {
		if slices.ContainsFunc(d.Compatible, func(c string) bool { return b.UBoot.NoDriver[c] != "" || kernel.Image(image).Drives(c) }) {
			continue
		}
		var would []string
		found := false
		for _, m := range k.Drivers(d.Modalias) {
			would = append(would, m.Name)
			found = found || slices.ContainsFunc(packed, func(p kernel.Module) bool { return p.Name == m.Name })
		}
		if !found {
			missing = append(missing, fmt.Sprintf("  %s (%s): in the kernel's package: %s",
				d.Path, strings.Join(d.Compatible, ", "), orNone(would)))
		}
	}
	if missing != nil {
		return fmt.Errorf("the device tree of %s has devices without a driver in the image; "+
			"add the module to the board, or say in NoDriver why it does without:\n%s", b.Name, strings.Join(missing, "\n"))
	}
	return nil
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
