package site

import (
	"embed"
	"fmt"
	"html/template"
	"strconv"
	"time"

	"aes67os/init/api"
	"aes67os/webui/assets"
)

//go:embed templates/*.html
var templateFiles embed.FS

// parse reads the templates. now is the clock that ages are counted by.
func parse(files assets.Assets, now func() time.Time) (*template.Template, error) {
	return template.New("").Funcs(template.FuncMap{
		"asset":      files.Path,
		"bytes":      bytes,
		"duration":   func(seconds float64) string { return duration(time.Duration(seconds * float64(time.Second))) },
		"since":      func(t time.Time) string { return duration(now().Sub(t)) },
		"until":      func(t *time.Time) string { return duration(t.Sub(now())) },
		"speed":      speed,
		"severity":   severity,
		"stateClass": stateClass,
	}).ParseFS(templateFiles, "templates/*.html")
}

// overview is the data of two panels: "overview" has the figures that change all the
// time, "identity" the name and the notes, which a screen reader would otherwise
// read out every two seconds.
type overview struct {
	Err               error
	Status            api.Status
	CPU, Memory, Data meter
}

// list is the data of a panel that shows a list.
type list[T any] struct {
	Err  error
	List []T
}

// tuning is the data of the panel of that name.
type tuning struct {
	list[api.Setting]
	Good int
}

// meter is a share shown as a bar.
type meter struct {
	Label   string
	Percent int
	// Text says the same in words.
	Text string
	// Level is "high" from 75 %, "full" from 90 %, otherwise empty.
	Level string
}

func newMeter(label string, share float64, text string) meter {
	m := meter{Label: label, Percent: min(max(int(share*100+0.5), 0), 100), Text: text}
	switch {
	case m.Percent >= 90:
		m.Level = "full"
	case m.Percent >= 75:
		m.Level = "high"
	}
	return m
}

func newOverview(s api.Status, err error) overview {
	o := overview{Err: err, Status: s}
	o.CPU = newMeter("Processor", s.CPU.Busy, fmt.Sprintf("%.0f %% busy", s.CPU.Busy*100))
	o.Memory = usage("Memory", s.Memory.Total, s.Memory.Available)
	o.Data = usage("Data partition", s.Data.Total, s.Data.Free)
	return o
}

// usage is the meter of something with total bytes of which some are free.
func usage(label string, total, free uint64) meter {
	used := total - min(free, total)
	share := 0.0
	if total > 0 {
		share = float64(used) / float64(total)
	}
	return newMeter(label, share, bytes(used)+" of "+bytes(total))
}

func newTuning(settings []api.Setting, err error) tuning {
	t := tuning{list: list[api.Setting]{Err: err, List: settings}}
	for _, s := range settings {
		if s.OK {
			t.Good++
		}
	}
	return t
}

// bytes writes a size with its binary unit.
func bytes(n uint64) string {
	if n < 1024 {
		return strconv.FormatUint(n, 10) + " B"
	}
	value := float64(n)
	var unit string
	for _, unit = range []string{"KiB", "MiB", "GiB", "TiB"} {
		if value /= 1024; value < 1023.5 {
			break
		}
	}
	if value < 9.95 {
		return fmt.Sprintf("%.1f %s", value, unit)
	}
	return fmt.Sprintf("%.0f %s", value, unit)
}

// duration writes a time span with its one or two largest units. It is coarse so
// that a panel does not change every time it is looked at.
func duration(d time.Duration) string {
	switch minutes := int(d / time.Minute); {
	case d < 0:
		return "0 s" // the clock was set
	case minutes < 1:
		return fmt.Sprintf("%d s", d/time.Second)
	case minutes < 60:
		return fmt.Sprintf("%d min", minutes)
	case minutes < 24*60:
		return fmt.Sprintf("%d h %d min", minutes/60, minutes%60)
	default:
		return fmt.Sprintf("%d d %d h", minutes/60/24, minutes/60%24)
	}
}

// speed writes a link's speed in Mbit/s with the unit people use.
func speed(mbps int) string {
	if mbps >= 1000 {
		return strconv.FormatFloat(float64(mbps)/1000, 'f', -1, 64) + " Gbit/s"
	}
	return strconv.Itoa(mbps) + " Mbit/s"
}

// severity is the word in front of a note.
func severity(s api.Severity) string {
	switch s {
	case api.Error:
		return "Error"
	case api.Warning:
		return "Warning"
	default:
		return "Note"
	}
}

// stateClass is the colour of a service's state.
func stateClass(s api.ServiceState) string {
	switch s {
	case api.Running:
		return "good"
	case api.Starting, api.Stopping:
		return "warn"
	case api.Backoff:
		return "bad"
	default:
		return ""
	}
}
