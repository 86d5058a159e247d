package flash

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"
)

// tree is a machine of files: /sys and /proc below a directory.
type tree struct {
	t       *testing.T
	root    string
	numbers map[string]uint64
}

// machine is a PC with an SSD (with a root file system in LVM and swap), a card in a
// USB reader, one in an SD slot and an empty reader.
func machine(t *testing.T) *tree {
	m := &tree{t, t.TempDir(), map[string]uint64{}}
	m.put("proc/self/mountinfo", "22 1 252:0 / / rw,relatime shared:1 - ext4 /dev/mapper/vg-root rw\n"+
		"24 22 0:21 / /proc rw shared:2 - proc proc rw\n")
	m.put("proc/swaps", "Filename Type Size Used Priority\n/dev/nvme0n1p2 partition 8388604 0 -2\n")
	m.disk("pci0000:00/0000:01:00.0/nvme/nvme0/nvme0n1", 259, 0, 512<<30, 3)
	m.put("sys/block/nvme0n1/nvme0n1p3/holders/dm-0/dm/name", "vg-root\n")
	m.disk("pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/host0/target0:0:0/0:0:0:0/block/sdb", 8, 16, 32<<30, 2)
	m.put("sys/block/sdb/device/vendor", "SanDisk \n")
	m.put("sys/block/sdb/device/model", "Ultra           \n")
	m.disk("pci0000:00/0000:00:1a.0/mmc_host/mmc0/mmc0:aaaa/block/mmcblk0", 179, 0, 16<<30, 0)
	m.put("sys/block/mmcblk0/device/name", "SD16G\n")
	m.disk("pci0000:00/0000:00:14.0/usb2/2-2/2-2:1.0/host1/target1:0:0/1:0:0:0/block/sdc", 8, 32, 0, 0)
	return m
}

func (m *tree) put(name, text string) {
	m.t.Helper()
	name = filepath.Join(m.root, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

func (m *tree) link(name, target string) {
	m.t.Helper()
	name = filepath.Join(m.root, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(m.root, target), name); err != nil {
		m.t.Fatal(err)
	}
}

// disk adds a disk of size bytes with so many partitions, as the kernel shows it.
func (m *tree) disk(path string, major, minor uint32, size int64, partitions int) {
	dir, name := "sys/devices/"+path, filepath.Base(path)
	device := func(dir, name string, minor uint32, size int64) {
		m.put(dir+"/dev", fmt.Sprintf("%d:%d\n", major, minor))
		m.put(dir+"/size", fmt.Sprintf("%d\n", size/512))
		m.put(dir+"/ro", "0\n")
		m.link(fmt.Sprintf("sys/dev/block/%d:%d", major, minor), dir)
		m.numbers["/dev/"+name] = unix.Mkdev(major, minor)
	}
	device(dir, name, minor, size)
	m.put(dir+"/removable", "0\n")
	m.link("sys/block/"+name, dir)
	separator := ""
	if strings.Trim(name[len(name)-1:], "0123456789") == "" {
		separator = "p"
	}
	for i := range partitions {
		part := fmt.Sprintf("%s%s%d", name, separator, i+1)
		device(dir+"/"+part, part, minor+uint32(i)+1, size/4)
		m.put(dir+"/"+part+"/partition", fmt.Sprintln(i+1))
	}
}

func (m *tree) system() System {
	return System{Root: m.root, Number: func(name string) (uint64, error) {
		if n, ok := m.numbers[name]; ok {
			return n, nil
		}
		if name == "/etc/hosts" {
			return 0, ErrNotBlock
		}
		return 0, fs.ErrNotExist
	}}
}

func TestCheck(t *testing.T) {
	const size = 600 << 20
	mount := func(line string) func(*tree) {
		return func(m *tree) { m.put("proc/self/mountinfo", line+"\n") }
	}
	for _, tt := range []struct {
		name, device string
		change       func(*tree)
		want         Target
		refused      string
	}{
		{name: "card in a USB reader", device: "/dev/sdb", want: Target{Device: "/dev/sdb", Model: "SanDisk Ultra", Size: 32 << 30}},
		{name: "card in a slot", device: "/dev/mmcblk0", want: Target{Device: "/dev/mmcblk0", Model: "SD16G", Size: 16 << 30}},
		{
			name: "other name", device: "/dev/disk/by-id/usb-SanDisk",
			change: func(m *tree) { m.numbers["/dev/disk/by-id/usb-SanDisk"] = unix.Mkdev(8, 16) },
			want:   Target{Device: "/dev/disk/by-id/usb-SanDisk", Model: "SanDisk Ultra", Size: 32 << 30},
		},
		{
			name: "removable", device: "/dev/sdd",
			change: func(m *tree) {
				m.disk("pci0000:00/ata1/host3/block/sdd", 8, 48, 1<<30, 0)
				m.put("sys/block/sdd/removable", "1\n")
			},
			want: Target{Device: "/dev/sdd", Size: 1 << 30},
		},
		{
			name: "without swap in the kernel", device: "/dev/sdb",
			change: func(m *tree) {
				if err := os.Remove(filepath.Join(m.root, "proc/swaps")); err != nil {
					m.t.Fatal(err)
				}
			},
			want: Target{Device: "/dev/sdb", Model: "SanDisk Ultra", Size: 32 << 30},
		},
		{name: "missing", device: "/dev/sdz", refused: "there is no /dev/sdz; plugged in: /dev/mmcblk0 (SD16G, 17.2 GB), /dev/sdb (SanDisk Ultra, 34.4 GB)"},
		{name: "file", device: "/etc/hosts", refused: "/etc/hosts is not a disk; plugged in"},
		{name: "partition", device: "/dev/sdb2", refused: "/dev/sdb2 is a partition; an image needs the whole disk: /dev/sdb"},
		{name: "partition of an SSD", device: "/dev/nvme0n1p1", refused: "/dev/nvme0n1"},
		{name: "mounted", device: "/dev/sdb", change: mount(`30 1 8:18 / /media/my\040card rw - vfat /dev/sdb2 rw`),
			refused: "sdb2 is mounted at /media/my card; unmount it first (umount /dev/sdb2)"},
		{name: "mounted by name", device: "/dev/sdb", change: mount("30 1 0:50 / /mnt rw shared:7 master:1 - btrfs /dev/sdb1 rw"), refused: "sdb1 is mounted at /mnt"},
		{name: "mounted whole", device: "/dev/sdb", change: mount("30 1 8:16 / /mnt rw - vfat /dev/sdb rw"), refused: "sdb is mounted at /mnt"},
		{name: "of this system", device: "/dev/sdb", change: mount("30 1 8:17 / / rw - ext4 /dev/root rw"), refused: "the disk that this computer runs from"},
		{name: "swap", device: "/dev/sdb", change: func(m *tree) { m.put("proc/swaps", "Filename\n/dev/sdb2 partition 1 0 -2\n") },
			refused: "sdb2 is swap; switch it off first (swapoff /dev/sdb2)"},
		{name: "of an array", device: "/dev/sdb", change: func(m *tree) { m.put("sys/block/sdb/sdb1/holders/md0/dev", "9:0\n") }, refused: "sdb1 is part of md0"},
		{name: "SSD in use", device: "/dev/nvme0n1", refused: "nvme0n1p2 is swap"},
		{name: "SSD of logical volumes", device: "/dev/nvme0n1", change: func(m *tree) { m.put("proc/swaps", "") }, refused: "nvme0n1p3 is part of dm-0 (vg-root)"},
		{
			name: "second SSD", device: "/dev/nvme1n1",
			change:  func(m *tree) { m.disk("pci0000:00/0000:02:00.0/nvme/nvme1/nvme1n1", 259, 8, 512<<30, 0) },
			refused: "is neither removable nor on USB or an SD slot",
		},
		{name: "write-protected", device: "/dev/sdb", change: func(m *tree) { m.put("sys/block/sdb/ro", "1\n") }, refused: "is write-protected"},
		{name: "no card", device: "/dev/sdc", refused: "is empty"},
		{name: "too small", device: "/dev/sdb", change: func(m *tree) { m.put("sys/block/sdb/size", "1000000\n") },
			refused: "has 512.0 MB, and the image needs 629.1 MB (117145600 bytes more)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := machine(t)
			if tt.change != nil {
				tt.change(m)
			}
			got, err := Check(m.system(), tt.device, size)
			if tt.refused != "" {
				if err == nil || !strings.Contains(err.Error(), tt.refused) || !strings.Contains(err.Error(), tt.device) {
					t.Fatalf("Check = %v, %v; want %q", got, err, tt.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreUnexported(Target{})); diff != "" {
				t.Errorf("target (-want +got):\n%s", diff)
			}
		})
	}
}

// TestHost asks the real kernel: the disk with the root file system, if there is one,
// and a file.
func TestHost(t *testing.T) {
	if _, err := Check(Host(), "/proc/version", 1); err == nil || !strings.Contains(err.Error(), "not a disk") {
		t.Errorf("Check of a file = %v", err)
	}
	disks, err := Host().disks()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range disks {
		if d.size() < 0 || d.attr("dev") == "" {
			t.Errorf("disk %s has size %d, number %s", d.name(), d.size(), d.attr("dev"))
		}
	}
}
