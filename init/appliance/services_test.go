package appliance

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"aes67os/board"
)

func TestServices(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range services() {
		if s.Name == "" || seen[s.Name] {
			t.Errorf("service %q has no name of its own", s.Name)
		}
		seen[s.Name] = true
		if len(s.Argv) == 0 || !filepath.IsAbs(s.Argv[0]) {
			t.Errorf("%s is started by %q; want an absolute path", s.Name, s.Argv)
		}
		if s.User == nil || s.User.UID == 0 || s.User.GID == 0 {
			t.Errorf("%s runs as root", s.Name)
		}
		if s.Watchdog <= 0 {
			t.Errorf("%s may hang unseen", s.Name)
		}
	}
	if !seen["webui"] || !seen["aes67d"] || len(seen) != 2 {
		t.Errorf("services are %v; want webui and aes67d", slices.Sorted(maps.Keys(seen)))
	}
}

// Whoever gets into the page has got nothing more: what it needs is handed to it.
func TestWebUIHasNoPrivileges(t *testing.T) {
	s := services()[0]
	if s.Name != "webui" {
		t.Fatalf("the first service is %s; want the page first", s.Name)
	}
	if s.User.UID != board.WebUID || s.User.GID != board.WebUID || len(s.User.Capabilities) > 0 {
		t.Errorf("webui runs as %+v; want user %d without capabilities", s.User, board.WebUID)
	}
	if len(s.Listen) == 0 {
		t.Error("webui is passed no socket")
	}
	if s.OOMScoreAdjust <= 0 {
		t.Errorf("webui's OOM score is adjusted by %d; want it to go before audio does", s.OOMScoreAdjust)
	}
}

func TestAes67dHasWhatAudioNeeds(t *testing.T) {
	s := services()[1]
	if s.Name != "aes67d" {
		t.Fatalf("the second service is %s; want aes67d", s.Name)
	}
	want := []uintptr{unix.CAP_NET_BIND_SERVICE, unix.CAP_NET_RAW, unix.CAP_NET_ADMIN, unix.CAP_SYS_NICE, unix.CAP_IPC_LOCK}
	got := slices.Clone(s.User.Capabilities)
	slices.Sort(got)
	slices.Sort(want)
	if s.User.UID != board.AudioUID || s.User.GID != board.AudioUID || !slices.Equal(got, want) {
		t.Errorf("aes67d runs as %+v; want user %d with capabilities %v", s.User, board.AudioUID, want)
	}
	// Its files are where it may write.
	config := s.Argv[slices.Index(s.Argv, "-c")+1]
	dirs := serviceDirs()
	dir, below := strings.CutPrefix(filepath.Dir(config), board.DataDir+"/")
	if uid, ok := dirs[dir]; !below || !ok || uid != board.AudioUID {
		t.Errorf("aes67d's configuration is %s; want it in one of its directories, %v", config, dirs)
	}
}
