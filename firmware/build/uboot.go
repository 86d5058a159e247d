package build

import (
	"bytes"
	"fmt"

	"github.com/klauspost/compress/gzip"

	"aes67os/board"
	"aes67os/firmware/devicetree"
	"aes67os/firmware/disk"
	"aes67os/firmware/fit"
	"aes67os/firmware/slot"
	"aes67os/firmware/uboot"
	"aes67os/kernel"
)

// ubootMethod starts U-Boot, whose script starts a slot file that is a FIT image.
type ubootMethod struct {
	board   board.Board
	program []byte
	// tree is the device tree; nil where the board has one of its own.
	tree []byte
}

func newUBoot(b board.Board, p kernel.Package, k *kernel.Kernel) (bootMethod, error) {
	files, err := p.Extract(b.UBoot.Program)
	if err != nil {
		return nil, err
	}
	u := ubootMethod{board: b, program: files[b.UBoot.Program]}
	if b.UBoot.DeviceTree == "" {
		return u, nil
	}
	tree, err := k.DTB(b.UBoot.DeviceTree)
	if err != nil {
		return nil, err
	}
	if u.tree, err = devicetree.Edit(tree, b.UBoot.TreeEdits); err != nil {
		return nil, err
	}
	return u, checkDrivers(b, u.tree, k)
}

func (u ubootMethod) slot(s system) ([]byte, error) {
	arguments, err := uboot.Arguments(s.cmdline)
	if err != nil {
		return nil, err
	}
	packed, err := gzipped(s.kernel)
	if err != nil {
		return nil, err
	}
	parts := []fit.Part{
		{Name: uboot.CommandLine, Kind: fit.Script, Data: []byte(arguments)},
		{Name: "kernel", Title: s.release, Kind: fit.Kernel, Data: packed, Compression: "gzip", Load: uboot.KernelAddress},
	}
	if u.tree != nil {
		parts = append(parts, fit.Part{Name: "fdt", Kind: fit.Tree, Data: u.tree, Load: uboot.TreeAddress})
	}
	parts = append(parts, fit.Part{Name: "initramfs", Kind: fit.Ramdisk, Data: s.initramfs})
	file, err := fit.Assemble("aes67os "+s.Name, s.Time, parts...)
	if err != nil {
		return nil, err
	}
	if len(file) > uboot.MaxSlotFile {
		return nil, fmt.Errorf("the slot file has %s, and U-Boot has room for %s", mb(len(file)), mb(uboot.MaxSlotFile))
	}
	return file, nil
}

func (u ubootMethod) layout(v Version, file []byte) (disk.Layout, error) {
	state := slot.First().Sectors()
	l := disk.Layout{Loader: u.program, Partitions: []disk.Content{
		{Name: board.BootPartition, Size: u.board.BootSize},
		{Name: board.StatePartition, Size: 1 << 20, Data: state[:]},
		{Name: board.SlotAPartition, Size: u.board.SlotSize, Files: []disk.File{{Name: uboot.SlotFile, Data: file}}},
		{Name: board.SlotBPartition, Size: u.board.SlotSize},
		{Name: board.DataPartition, Size: u.board.DataSize},
	}}
	script, err := uboot.Script(u.board, uboot.Partitions{State: 2, SlotA: 3, SlotB: 4})
	if err != nil {
		return disk.Layout{}, err
	}
	l.Partitions[0].Files = []disk.File{{Name: uboot.ScriptFile, Data: uboot.Image("aes67os", script, v.Time)}}
	return l, nil
}

// gzipped packs the kernel as U-Boot unpacks it.
func gzipped(data []byte) ([]byte, error) {
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(data); err != nil {
		return nil, err
	}
	err = z.Close()
	return packed.Bytes(), err
}
