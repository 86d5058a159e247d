package build

import (
	"context"
	"os"

	"aes67os/firmware/initramfs"
)

func (b *build) writeBill(ctx context.Context, name string) (string, error) {
	return "", os.WriteFile(name, []byte("{}\n"), 0o644)
}

func (b *build) addShell(ctx context.Context, files *initramfs.Files) error { return nil }
