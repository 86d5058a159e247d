package build

import (
	"bytes"
	"context"

	"aes67os/firmware/disk"
	"aes67os/firmware/initramfs"
)

// Bare writes to name an image with the same boot loader, kernel and command line,
// and init as the whole system: what measurements compare the appliance with.
func Bare(ctx context.Context, o Options, init []byte, name string) error {
	b, err := newBuild(ctx, o)
	if err != nil {
		return err
	}
	quiet := func(string) {}
	if _, err := b.fetch(ctx, quiet); err != nil {
		return err
	}
	if _, err := b.unpack(ctx, quiet); err != nil {
		return err
	}
	var files initramfs.Files
	addConsole(&files)
	files.Add("init", init, 0o755)
	var packed bytes.Buffer
	if err := files.Write(&packed); err != nil {
		return err
	}
	b.initramfs = packed.Bytes()
	if _, err := b.assemble(ctx, quiet); err != nil {
		return err
	}
	layout, err := b.layout()
	if err != nil {
		return err
	}
	return disk.Create(name, layout)
}
