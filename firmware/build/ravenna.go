package build

import (
	"fmt"
	"os"
	"regexp"

	"aes67os/driver/ravenna"
)

// moduleName is what the kernel allows, and what is safe as a file name.
var moduleName = regexp.MustCompile(`^[A-Za-z0-9_]{1,55}$`)

// takeRavenna checks the user's kernel module and puts it among the kernel's.
func (b *build) takeRavenna() error {
	if b.RavennaModule == "" {
		return nil
	}
	file, err := os.ReadFile(b.RavennaModule)
	if err != nil {
		return err
	}
	info, err := ravenna.Check(file, ravenna.Target{
		Arch: b.Board.DebianArch, Vermagic: b.kernel.Vermagic(), Symbols: b.kernel.SymbolVersions(),
	})
	if err != nil {
		return fmt.Errorf("%s: %w", b.RavennaModule, err)
	}
	if !moduleName.MatchString(info.Name) {
		return fmt.Errorf("%s: %q is no name of a kernel module", b.RavennaModule, info.Name)
	}
	if b.kernel, err = b.kernel.With("updates/"+info.Name+".ko", info.Data); err != nil {
		return err
	}
	b.ravenna = &info
	b.release.RavennaModule = info.Name
	b.modules = append(b.modules, info.Name)
	return nil
}
