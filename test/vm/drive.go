package vm

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"aes67os/board"
)

// Drive builds a program for a board, and makes a file of it in dir which a machine can have as
// a drive: the arguments of QEMU for that are returned. In the guest, [Install] is to be
// typed.
func Drive(ctx context.Context, b board.Board, program, dir string) (args []string, err error) {
	file := filepath.Join(dir, "drive")
	c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", file, program)
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+b.GOARCH)
	if out, err := c.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build %s: %w: %s", program, err, out)
	}
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	const sector = 512 // a drive has whole ones
	if err := os.Truncate(file, (info.Size()+sector-1)/sector*sector); err != nil {
		return nil, err
	}
	return []string{"-drive", "if=virtio,format=raw,readonly=on,file=" + file}, nil
}

// Install makes the program on the second drive one of the guest's, [Program].
const Install = "cat /dev/vdb > " + Program + "; chmod 755 " + Program

// Program is where it is then.
const Program = "/root/program"

// OwnTime are the arguments of QEMU that have time pass in the guest by what it does, and not
// by what else the host does: an instruction takes 2 ns.
var OwnTime = []string{"-icount", "shift=1,sleep=off"}
