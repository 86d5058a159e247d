package build

import (
	"aes67os/board"
	"aes67os/firmware/disk"
	"aes67os/firmware/uki"
	"aes67os/kernel"
)

// uefi starts systemd-boot, which starts a slot file that is an EFI program.
type uefi struct {
	board        board.Board
	loader, stub []byte
}

func newUEFI(b board.Board, p kernel.Package) (bootMethod, error) {
	const dir = "usr/lib/systemd/boot/efi/"
	const loader, stub = dir + "systemd-bootx64.efi", dir + "linuxx64.efi.stub"
	files, err := p.Extract(loader, stub)
	if err != nil {
		return nil, err
	}
	return uefi{b, files[loader], files[stub]}, nil
}

func (u uefi) slot(s system) ([]byte, error) {
	return uki.Assemble(u.stub,
		uki.Section{Name: ".osrel", Data: []byte(s.osRelease)},
		uki.Section{Name: ".cmdline", Data: []byte(s.cmdline)},
		uki.Section{Name: ".uname", Data: []byte(s.release)},
		uki.Section{Name: ".linux", Data: s.kernel},
		uki.Section{Name: ".initrd", Data: s.initramfs})
}

func (u uefi) layout(v Version, slot []byte) (disk.Layout, error) {
	return disk.Layout{Partitions: []disk.Content{
		{Name: board.BootPartition, Size: u.board.BootSize, Files: []disk.File{
			{Name: "EFI/BOOT/BOOTX64.EFI", Data: u.loader},
			{Name: "EFI/Linux/aes67os_" + v.Name + ".efi", Data: slot},
			{Name: "loader/loader.conf", Data: []byte("timeout 0\neditor no\n")},
		}},
		{Name: board.DataPartition, Size: u.board.DataSize},
	}}, nil
}
