package build

import (
	"bytes"
	"encoding/json"
	"fmt"
	"runtime"

	"github.com/pierrec/lz4/v4"
	"golang.org/x/sync/errgroup"

	"aes67os/board"
	"aes67os/firmware/initramfs"
	"aes67os/kernel"
)

// addSystem puts in what is the same for every build: the mount points, the users,
// the names of the image.
func addSystem(files *initramfs.Files, r board.Release, osRelease string) error {
	for _, dir := range []string{"proc", "sys", "dev", "run", "data", "root"} {
		files.Dir(dir, 0o755)
	}
	files.Dir("tmp", 0o1777)
	addConsole(files)
	files.Device("dev/null", 0o666, 1, 3)

	release, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	text := func(name, content string) { files.Add(name, []byte(content), 0o644) }
	text(board.ReleasePath[1:], string(release)+"\n")
	text("etc/os-release", osRelease)
	text(board.AudioDefaultsPath[1:], audioDefaults)
	text("etc/hosts", "127.0.0.1 localhost\n")
	text("etc/passwd", fmt.Sprintf("root:x:0:0:root:/root:/bin/sh\n%s:x:%d:%[2]d::/:/\n%s:x:%d:%[4]d::/:/\n",
		board.AudioUser, board.AudioUID, board.WebUser, board.WebUID))
	text("etc/group", fmt.Sprintf("root:x:0:\n%s:x:%d:\n%s:x:%d:\n",
		board.AudioUser, board.AudioUID, board.WebUser, board.WebUID))
	files.Link(board.ModprobePath[1:], "/init")
	// DHCP's answer is written to /run; programs look here.
	files.Link("etc/resolv.conf", "/run/resolv.conf")
	return nil
}

// audioDefaults is how aes67d is set up on an appliance as long as its user has not changed
// anything: announced where devices listen, Dante's among them; the log is init's; audio
// has the core that init keeps free, where there is one.
const audioDefaults = `{
  "sap_mcast_addr": "239.255.255.255",
  "sap_interval": 30,
  "syslog_proto": "none",
  "http_base_dir": "",
  "audio_cpus": "spare",
  "status_file": "` + board.DataDir + "/" + board.AudioStateDir + `/status.json"
}
`

// addConsole puts in what the kernel opens for init before devtmpfs is mounted.
func addConsole(files *initramfs.Files) { files.Device("dev/console", 0o600, 5, 1) }

// osRelease is os-release(5): what systemd-boot shows and sorts entries by.
func osRelease(b board.Board, v Version) string {
	return fmt.Sprintf("ID=aes67os\nNAME=aes67os\nPRETTY_NAME=\"aes67os %s\"\nVERSION_ID=%[1]s\nIMAGE_ID=aes67os\nIMAGE_VERSION=%[1]s\nVARIANT_ID=%s\n", v.Name, b.Name)
}

// addModules puts in modules and the indexes by which init loads them. It returns
// how many there are.
func addModules(files *initramfs.Files, k *kernel.Kernel, patterns []string) (int, error) {
	modules, err := k.Closure(patterns)
	if err != nil {
		return 0, err
	}
	dir := "lib/modules/" + k.Release + "/"
	packed := make([][]byte, len(modules))
	var group errgroup.Group
	group.SetLimit(runtime.NumCPU())
	for i, m := range modules {
		group.Go(func() error {
			data, err := m.Data()
			if err != nil {
				return err
			}
			packed[i], err = packModule(data)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	for i, m := range modules {
		files.Add(dir+m.Path+board.ModuleSuffix, packed[i], 0o644)
	}
	for name, data := range k.Indexes(modules) {
		files.Add(dir+name, data, 0o644)
	}
	return len(modules), nil
}

func packModule(data []byte) ([]byte, error) {
	var packed bytes.Buffer
	z := lz4.NewWriter(&packed)
	if err := z.Apply(lz4.CompressionLevelOption(lz4.Level9), lz4.ConcurrencyOption(1)); err != nil {
		return nil, err
	}
	if _, err := z.Write(data); err != nil {
		return nil, err
	}
	err := z.Close()
	return packed.Bytes(), err
}
