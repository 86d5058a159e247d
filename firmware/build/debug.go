package build

import (
	"context"
	"path/filepath"

	"aes67os/firmware/initramfs"
	"aes67os/firmware/shell"
)

// addShell puts in the shell of a debug image.
func (b *build) addShell(ctx context.Context, files *initramfs.Files) error {
	var err error
	b.shell, err = shell.Build(ctx, b.Source, filepath.Join(b.Cache, "shell"), b.Board.GOARCH)
	if err != nil {
		return err
	}
	files.Add(shell.Place, b.shell.Program, 0o755)
	for name, target := range b.shell.Links {
		files.Link(name, target)
	}
	return nil
}
