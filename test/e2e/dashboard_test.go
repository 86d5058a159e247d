package e2e

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"aes67os/init/api"
)

// testDashboard looks at the page as people do, with a browser.
func testDashboard(t *testing.T, m *machine, status api.Status) {
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, // tests run as root
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.WindowSize(1280, 1400))
	ctx, cancel := context.WithTimeout(t.Context(), bootTimeout)
	defer cancel()
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()

	if err := chromedp.Do(ctx, chromedp.Navigate(m.URL(80))); err != nil {
		t.Fatal(err)
	}
	// The log goes on live after the page has come.
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool](`document.body.innerText.includes("all services are ready")`)); err != nil {
		t.Fatalf("wait for the log: %v", err)
	}
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body.innerText`))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		status.Hostname, status.Version, status.Board, "10.0.2.15", "aes67d", "webui", "running",
		"kernel.sched_rt_runtime_us", "1000000",
	} {
		if !strings.Contains(strings.ToLower(text), strings.ToLower(want)) {
			t.Errorf("the dashboard does not show %q", want)
		}
	}
	picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(artefact(t, "dashboard.png"), picture, 0o644); err != nil {
		t.Fatal(err)
	}
}
