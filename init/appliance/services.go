package appliance

import (
	"path"
	"time"

	"golang.org/x/sys/unix"

	"aes67os/board"
	"aes67os/init/supervisor"
)

// serviceDirs are the services' directories with their owners.
func serviceDirs() map[string]int {
	return map[string]int{board.AudioConfigDir: board.AudioUID, board.AudioStateDir: board.AudioUID}
}

// services are the programs that init keeps running.
func services() []supervisor.Spec {
	const watchdog = 20 * time.Second
	return []supervisor.Spec{
		{
			Name: "webui",
			Argv: []string{"/bin/webui"},
			User: &supervisor.User{UID: board.WebUID, GID: board.WebUID},
			// The page's only privilege is this socket.
			Listen:         []supervisor.Socket{{Name: "http", Network: "tcp", Address: ":80"}},
			Watchdog:       watchdog,
			OOMScoreAdjust: 500,
		},
		{
			Name: "aes67d",
			// Its REST API has no passwords: it is for the page, which asks for one.
			Argv: []string{"/bin/aes67d", "-c", path.Join(board.DataDir, board.AudioConfigDir, "daemon.conf"), "-defaults", board.AudioDefaultsPath,
				"-a", "127.0.0.1", "-announce-page", "80"},
			User: &supervisor.User{UID: board.AudioUID, GID: board.AudioUID, Capabilities: []uintptr{
				unix.CAP_NET_BIND_SERVICE, unix.CAP_NET_RAW, unix.CAP_NET_ADMIN, unix.CAP_SYS_NICE, unix.CAP_IPC_LOCK,
			}},
			Watchdog: watchdog,
			// People wait for the page.
			After:          "webui",
			OOMScoreAdjust: -500,
		},
	}
}
