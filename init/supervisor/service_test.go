package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"aes67os/init/api"
)

func TestReadyAndStatus(t *testing.T) {
	b := start(t, Spec{Name: "a", Argv: program("notify:STATUS=warming up", "pid", "wait", "notify:READY=1\nSTATUS=PTP locked", "hang")})
	s := b.until("a", "warming up", func(s api.Service) bool { return s.Status == "warming up" })
	if s.State != api.Starting {
		t.Errorf("state is %s before READY=1, want starting", s.State)
	}
	if _, ready := b.Ready(); ready {
		t.Error("all are said to be ready before READY=1")
	}
	b.logged("a", "waiting")
	if err := syscall.Kill(s.PID, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := b.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	s = b.Services()[0]
	if want := b.logged("a", "pid "); strconv.Itoa(s.PID) != want {
		t.Errorf("PID is %d, the service's own word is %s", s.PID, want)
	}
	if s.Status != "PTP locked" || s.RSS == 0 {
		t.Errorf("status %q, RSS %d; want the new one, and some", s.Status, s.RSS)
	}
	if since, ready := b.Ready(); !ready || !since.Equal(s.Since) {
		t.Errorf("ready since %v, %v; want %v, true", since, ready, s.Since)
	}
	if !b.Healthy() {
		t.Error("a ready service makes it unhealthy")
	}
	b.logged("init", "a is ready")
}

func TestWaitReadyEndsWithItsContext(t *testing.T) {
	b := start(t, Spec{Name: "a", Argv: program("hang")})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.WaitReady(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if !b.Healthy() {
		t.Error("a first start makes it unhealthy")
	}
}

func TestOnlyTheMainProcessIsHeard(t *testing.T) {
	b := start(t, Spec{Name: "a", Argv: program("child:notify:READY=1\nSTATUS=stranger", "notify:STATUS=after the stranger", "hang")})
	// Datagrams keep their order: the child's came before this.
	s := b.until("a", "after the stranger", func(s api.Service) bool { return s.Status != "" })
	if s.Status != "after the stranger" || s.State != api.Starting {
		t.Errorf("status %q in state %s: heard a process that is not the service's main one", s.Status, s.State)
	}
}

func TestKilledServiceComesBack(t *testing.T) {
	b := start(t, Spec{Name: "a", Argv: program("notify:READY=1", "hang")})
	pids := map[int]bool{}
	for restarts := range 4 {
		s := b.running("a", restarts)
		pids[s.PID] = true
		if err := syscall.Kill(s.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	s := b.running("a", 4)
	if want := "was killed by signal 9 (killed)"; s.LastExit != want {
		t.Errorf("last exit %q, want %q", s.LastExit, want)
	}
	if len(pids) != 4 || pids[s.PID] {
		t.Errorf("not another process each time: %v, %d", pids, s.PID)
	}
	want := []string{"100 ms", "200 ms", "400 ms", "800 ms"}
	got := b.texts("init", "a was killed by signal 9 (killed), starting it again in ")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestHealthy(t *testing.T) {
	b := start(t, Spec{Name: "a", Argv: program("wait", "notify:READY=1", "hang"), StopTimeout: 10 * time.Millisecond})
	expect := func(when string, now, later bool) {
		t.Helper()
		at := time.Now()
		if got := []bool{b.healthy(at), b.healthy(at.Add(2 * MaxOutage))}; !slices.Equal(got, []bool{now, later}) {
			t.Errorf("%s: healthy now and later are %v; want %v, %v", when, got, now, later)
		}
	}
	starting := func(restarts int) api.Service {
		t.Helper()
		s := b.until("a", "starting", func(s api.Service) bool { return s.PID != 0 && s.State == api.Starting && s.Restarts == restarts })
		b.logged("a", fmt.Sprint("waiting ", s.PID))
		return s
	}
	s := starting(0)
	expect("first start", true, true)
	syscall.Kill(s.PID, syscall.SIGTERM)
	b.running("a", 0)
	expect("ready", true, true)
	syscall.Kill(s.PID, syscall.SIGKILL)
	s = starting(1)
	expect("away", true, false)
	syscall.Kill(s.PID, syscall.SIGTERM)
	b.running("a", 1)
	expect("ready again", true, true)
	if err := b.Restart(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	starting(2)
	expect("away on request", true, false)
}

func TestEnds(t *testing.T) {
	tests := map[string]struct {
		spec Spec
		want string
	}{
		"exit code":    {Spec{Argv: program("exit:3")}, "ended with exit code 3"},
		"success":      {Spec{Argv: program("notify:READY=1", "exit:0")}, "ended with exit code 0"},
		"no such file": {Spec{Argv: []string{"/nonexistent/program"}}, "could not be started: execute /nonexistent/program: no such file or directory"},
		"no program":   {Spec{Argv: []string{"/etc/passwd"}}, "could not be started: execute /etc/passwd: permission denied"},
		"no directory": {Spec{Argv: program("hang"), Dir: "/nonexistent"}, "could not be started: chdir /nonexistent: no such file or directory"},
		"address that cannot be": {Spec{Argv: program("hang"), Listen: []Socket{{Name: "x", Network: "tcp", Address: "192.0.2.1:80"}}},
			"could not be started: socket x: listen tcp 192.0.2.1:80: bind: cannot assign requested address"},
		"no capability of that number": {Spec{Argv: program("hang"), User: &User{UID: 1234, Capabilities: []uintptr{99}}},
			"could not be started: there is no capability 99"},
		"never ready": {Spec{Argv: program("hang"), StartTimeout: time.Millisecond},
			"did not say it was ready within 1 ms and was killed by signal 15 (terminated)"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.spec.Name = "a"
			b := start(t, test.spec)
			s := b.until("a", "ended", func(s api.Service) bool { return s.LastExit != "" })
			if s.LastExit != test.want {
				t.Errorf("last exit %q, want %q", s.LastExit, test.want)
			}
			b.logged("init", "a "+test.want+", starting it again in 100 ms")
			// And it is tried again.
			b.until("a", "started again", func(s api.Service) bool { return s.Restarts > 0 })
		})
	}
}

func TestOutputIsLogged(t *testing.T) {
	b := start(t, Spec{Name: "a", Argv: program("print:<4>a fan is slow", "print:level=ERROR msg=\"no clock\" domain=0", "print-part:last words", "exit:1")})
	b.logged("init", "a ended with exit code 1")
	want := []string{"warning a fan is slow", "error no clock domain=0", "info last words"}
	var got []string
	for _, e := range b.journal.Entries(api.LogQuery{Service: "a"})[:len(want)] {
		got = append(got, string(e.Severity)+" "+e.Text)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestMissedWatchdog(t *testing.T) {
	tests := map[string]struct {
		steps []string
		want  string
	}{
		"missed": {[]string{"notify:READY=1", "hang"}, "missed its watchdog of 50 ms and ended with exit code 2"},
		"trigger": {[]string{"notify:READY=1\nWATCHDOG=trigger", "hang"},
			"said itself that it does not work any more (WATCHDOG=trigger) and ended with exit code 2"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := start(t, Spec{Name: "a", Argv: program(test.steps...), Watchdog: 50 * time.Millisecond})
			s := b.until("a", "ended", func(s api.Service) bool { return s.LastExit != "" })
			if s.LastExit != test.want {
				t.Errorf("last exit %q, want %q", s.LastExit, test.want)
			}
			// A Go program that is aborted tells where it was.
			b.logged("a", "SIGABRT: abort")
			b.until("a", "started again", func(s api.Service) bool { return s.Restarts > 0 })
		})
	}
}

func TestErrnoIsTold(t *testing.T) {
	b := start(t, Spec{Name: "a", Argv: program("notify:ERRNO=13", "notify:STATUS=said", "wait", "exit:1")})
	s := b.until("a", "heard", func(s api.Service) bool { return s.Status == "said" })
	b.logged("a", "waiting")
	syscall.Kill(s.PID, syscall.SIGTERM)
	s = b.until("a", "ended", func(s api.Service) bool { return s.LastExit != "" })
	if want := "ended with exit code 1 (error 13, permission denied)"; s.LastExit != want {
		t.Errorf("last exit %q, want %q", s.LastExit, want)
	}
}

func TestStopping(t *testing.T) {
	b := start(t, Spec{Name: "a", Argv: program("notify:READY=1", "notify:STOPPING=1", "hang"), StopTimeout: 10 * time.Millisecond})
	b.logged("init", "a did not end within 10 ms, killing it")
	b.until("a", "ended", func(s api.Service) bool { return s.LastExit == "was killed by signal 9 (killed)" })
}

func TestRestart(t *testing.T) {
	b := start(t, Spec{Name: "a", Argv: program("notify:READY=1", "wait", "exit:0")})
	first := b.running("a", 0)
	b.logged("a", "waiting")
	if err := b.Restart(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	second := b.running("a", 1)
	if second.PID == first.PID || second.LastExit != "ended with exit code 0" {
		t.Errorf("got %+v after %+v; want another process, and the first ended", second, first)
	}
	if log := b.texts("init", "a ended with exit code 0"); !slices.Equal(log, []string{", as it was asked to end"}) {
		t.Errorf("log says %q", log)
	}
	if err := b.Restart(t.Context(), "b"); !errors.Is(err, ErrUnknown) {
		t.Errorf("got %v, want ErrUnknown", err)
	}
	b.Stop(t.Context())
	if err := b.Restart(t.Context(), "a"); !errors.Is(err, ErrStopped) {
		t.Errorf("got %v, want ErrStopped", err)
	}
}

func TestRestartDoesNotWaitForBackoff(t *testing.T) {
	b := start(t, Spec{Name: "a", Argv: program("exit:1")})
	const ends = "a ended with exit code 1, starting it again in "
	last := -1
	for len(b.texts("init", ends)) < 8 {
		s := b.until("a", "waiting", func(s api.Service) bool { return s.State == api.Backoff && s.Restarts > last })
		last = s.Restarts
		if err := b.Restart(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.texts("init", ends)[7]; got != "10 s" {
		t.Errorf("the eighth backoff is %s, want 10 s", got)
	}
}

func TestAfter(t *testing.T) {
	begun := time.Now()
	b := start(t,
		Spec{Name: "a", Argv: program("pid", "wait", "notify:READY=1", "hang")},
		Spec{Name: "b", After: "a", Argv: program("notify:READY=1", "hang")},
		Spec{Name: "c", After: "a", Argv: program("hang")},
	)
	b.logged("a", "waiting")
	early := func() bool { return b.Services()[1].PID != 0 && time.Since(begun) < AfterPatience }
	if s := b.Services()[1]; early() {
		t.Errorf("b is %s with process %d before a is ready", s.State, s.PID)
	}
	// One that waits can be stopped, or be started at once.
	if err := b.Restart(b.patience, "c"); err != nil {
		t.Error(err)
	}
	b.until("c", "started at once", func(s api.Service) bool { return s.PID != 0 })
	if early() {
		t.Error("b was started before a was ready")
	}
	if err := syscall.Kill(b.Services()[0].PID, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if s := b.running("b", 0); s.Since.Before(b.Services()[0].Since) {
		t.Error("b was ready before a")
	}
}

func TestAfterOneThatIsNeverReady(t *testing.T) {
	b := start(t,
		Spec{Name: "a", Argv: program("hang")},
		Spec{Name: "b", After: "a", Argv: program("notify:READY=1", "hang")},
	)
	b.running("b", 0)
}

func TestStopInReverseOrder(t *testing.T) {
	spec := func(name string) Spec {
		return Spec{Name: name, Argv: program("notify:READY=1", "wait", "exit:0")}
	}
	b := start(t, spec("a"), spec("b"), spec("c"))
	for _, name := range []string{"a", "b", "c"} {
		b.running(name, 0)
		b.logged(name, "waiting")
	}
	if err := b.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	var ended []string
	for _, e := range b.journal.Entries(api.LogQuery{}) {
		if e.Text == "asked to end" {
			ended = append(ended, e.Service)
		}
	}
	if diff := cmp.Diff([]string{"c", "b", "a"}, ended); diff != "" {
		t.Error(diff)
	}
	for _, s := range b.Services() {
		if s.State != api.Stopped || s.PID != 0 || s.Restarts != 0 {
			t.Errorf("after Stop: %+v", s)
		}
	}
	if !b.Healthy() {
		t.Error("services stopped on purpose make it unhealthy")
	}
}

func TestStopKillsWhoDoesNotEnd(t *testing.T) {
	b := start(t, Spec{Name: "a", Argv: program("ignore-term", "notify:READY=1", "hang"), StopTimeout: 10 * time.Millisecond})
	b.running("a", 0)
	if err := b.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.logged("init", "a did not end within 10 ms, killing it")
	if s := b.Services()[0]; s.State != api.Stopped || s.LastExit != "was killed by signal 9 (killed)" {
		t.Errorf("after Stop: %+v", s)
	}
}

func TestStopEndsWithItsContext(t *testing.T) {
	spec := Spec{Argv: program("ignore-term", "notify:READY=1", "hang"), StopTimeout: time.Hour}
	var specs []Spec
	for _, spec.Name = range []string{"a", "b"} {
		specs = append(specs, spec)
	}
	b := start(t, specs...)
	b.running("a", 0)
	b.running("b", 0)
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error)
	go func() { stopped <- b.Stop(ctx) }()
	b.until("b", "asked to stop", func(s api.Service) bool { return s.State == api.Stopping })
	cancel()
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	for _, s := range b.Services() {
		if s.State != api.Stopped || s.LastExit != "was killed by signal 9 (killed)" {
			t.Errorf("after Stop: %+v", s)
		}
	}
}

func TestWhatAServiceLeavesBehindIsKilled(t *testing.T) {
	b := start(t, Spec{Name: "a", Argv: program("leave", "exit:1")})
	left, err := strconv.Atoi(b.logged("a", "left "))
	if err != nil {
		t.Fatal(err)
	}
	b.logged("init", "a ended with exit code 1")
	// It need not be waited for by us, but a pidfd tells its end to everybody.
	pidfd, err := unix.PidfdOpen(left, 0)
	if errors.Is(err, unix.ESRCH) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pidfd)
	if n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, 60_000); n != 1 {
		t.Errorf("process %d has not ended: %v", left, err)
	}
}

func TestStartRefuses(t *testing.T) {
	fine := Spec{Name: "a", Argv: program("hang")}
	tests := map[string][]Spec{
		"no name":           {{Argv: fine.Argv}},
		"a path for a name": {{Name: "../a", Argv: fine.Argv}},
		"no program":        {{Name: "a"}},
		"a relative path":   {{Name: "a", Argv: []string{"a"}}},
		"a negative time":   {{Name: "a", Argv: fine.Argv, Watchdog: -1}},
		"a nameless socket": {{Name: "a", Argv: fine.Argv, Listen: []Socket{{Network: "tcp", Address: ":0"}}}},
		"two names in one":  {{Name: "a", Argv: fine.Argv, Listen: []Socket{{Name: "a:b", Network: "tcp", Address: ":0"}}}},
		"two of one name":   {fine, fine},
		"after nobody":      {{Name: "a", Argv: fine.Argv, After: "b"}},
	}
	for name, specs := range tests {
		t.Run(name, func(t *testing.T) {
			s, err := Start(Options{RunDir: t.TempDir()}, specs...)
			if err == nil {
				s.Stop(t.Context())
				t.Fatal("started")
			}
			if !strings.HasPrefix(err.Error(), fmt.Sprintf("service %q: ", specs[0].Name)) {
				t.Errorf("error does not name the service: %v", err)
			}
		})
	}
}

func TestInWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		100 * time.Millisecond:  "100 ms",
		1600 * time.Millisecond: "1.6 s",
		30 * time.Second:        "30 s",
	} {
		if got := inWords(d); got != want {
			t.Errorf("inWords(%v) = %q; want %q", d, got, want)
		}
	}
}
