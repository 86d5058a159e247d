package build

import (
	"fmt"

	"aes67os/kernel"
)

// bootFiles is what a boot loader's package gives.
type bootFiles struct {
	loader, stub []byte
}

func systemdBoot(p kernel.Package) (bootFiles, error) {
	const dir = "usr/lib/systemd/boot/efi/"
	files, err := p.Extract(dir+"systemd-bootx64.efi", dir+"linuxx64.efi.stub")
	if err != nil {
		return bootFiles{}, err
	}
	b := bootFiles{loader: files[dir+"systemd-bootx64.efi"], stub: files[dir+"linuxx64.efi.stub"]}
	if b.loader == nil || b.stub == nil {
		return bootFiles{}, fmt.Errorf("package %s %s has no %ssystemd-bootx64.efi or linuxx64.efi.stub", p.Name, p.Version, dir)
	}
	return b, nil
}
