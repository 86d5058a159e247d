package qemu

import (
	"fmt"
	"os"
	"path/filepath"

	"aes67os/board"
	"aes67os/firmware/disk"
)

// firmware returns the arguments for what the machine runs before the disk's system.
func firmware(c Config) ([]string, error) {
	if c.Board.Boot == board.UBoot {
		return bootROM(c)
	}
	return uefi(c.Board.QEMU, c.Dir)
}

// bootROM stands for what is built into a board's processor: it starts the boot loader
// that is on the disk. QEMU's machine has no such thing, so the program is handed to it.
func bootROM(c Config) ([]string, error) {
	d, err := disk.Open(c.Image)
	if err != nil {
		return nil, err
	}
	if len(d.Loader) == 0 {
		return nil, fmt.Errorf("%s has no boot loader at %d KiB", c.Image, disk.LoaderOffset>>10)
	}
	program := filepath.Join(c.Dir, "u-boot.bin")
	return []string{"-bios", program}, os.WriteFile(program, d.Loader, 0o600)
}

// uefi finds the firmware and copies its variable store to dir.
func uefi(q board.QEMU, dir string) ([]string, error) {
	for _, f := range q.Firmware {
		if _, err := os.Stat(f.Code); err != nil {
			continue
		}
		store, err := os.ReadFile(f.Vars)
		if err != nil {
			return nil, err
		}
		vars := filepath.Join(dir, "vars.fd")
		return []string{
			"-drive", "if=pflash,format=raw,readonly=on,file=" + escape(f.Code),
			"-drive", "if=pflash,format=raw,file=" + escape(vars),
		}, os.WriteFile(vars, store, 0o600)
	}
	return nil, fmt.Errorf("the firmware for %s is not installed; on Debian: apt-get install %s", q.Binary, q.FirmwarePackage)
}
