package build

import (
	"fmt"

	"aes67os/kernel"
)

// bootFiles is what a boot loader's package gives.
type bootFiles struct {
	loader, stub, copyright []byte
}

func systemdBoot(p kernel.Package) (bootFiles, error) {
	const dir = "usr/lib/systemd/boot/efi/"
	const loader, stub = dir + "systemd-bootx64.efi", dir + "linuxx64.efi.stub"
	copyright := "usr/share/doc/" + p.Concrete + "/copyright"
	files, err := p.Extract(loader, stub, copyright)
	if err != nil {
		return bootFiles{}, err
	}
	for _, name := range []string{loader, stub, copyright} {
		if files[name] == nil {
			return bootFiles{}, fmt.Errorf("package %s %s has no %s", p.Concrete, p.Version, name)
		}
	}
	return bootFiles{files[loader], files[stub], files[copyright]}, nil
}
