package rest

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"aes67os/aes67d/config"
	"aes67os/aes67d/lenient"
	"aes67os/driver"

	"github.com/gin-gonic/gin"
)

func (s *server) version() ([]byte, error) {
	return indented(struct {
		Version string `json:"version"`
	}{s.Version})
}

func (s *server) config() ([]byte, error) {
	interfaces, err := s.Interfaces()
	if err != nil {
		return nil, err
	}
	return indented(s.Config.Get().On(interfaces))
}

// ptpConfig answers from the configuration rather than from what the driver has: a
// change made just now is in it, even while the driver is on its way there.
func (s *server) ptpConfig() ([]byte, error) {
	c := s.Config.Get()
	return indented(driver.PTPConfig{Domain: c.PTPDomain, DSCP: c.PTPDSCP})
}

func (s *server) ptpStatus() ([]byte, error) {
	status := s.Sessions.PTPStatus()
	return indented(struct {
		Status      string `json:"status"`
		Grandmaster string `json:"gmid"`
		Jitter      int32  `json:"jitter"`
	}{status.Lock.String(), status.Grandmaster.String(), status.Jitter})
}

func (s *server) driver() ([]byte, error) {
	name, problem := s.Sessions.DriverState()
	reason := ""
	if problem != nil {
		reason = problem.Error()
	}
	return indented(struct {
		Name      string `json:"name"`
		Available bool   `json:"available"`
		Error     string `json:"error"`
	}{name, problem == nil, reason})
}

// setConfig changes the members given and leaves the others, and those that are
// read-only.
func (s *server) setConfig(c *gin.Context) {
	b, ok := read(c)
	if !ok {
		return
	}
	s.update(c, "failed to set config", func(to *config.Config) error {
		before := *to
		if err := lenient.Unmarshal(b, to); err != nil {
			return err
		}
		return checkPages(c.Request, before, *to)
	})
}

// checkPages keeps the pages of other web servers from naming files of this host, above
// all a program to run. That they may use the rest of the interface is the known
// daemon's way; there, any page that is open in a browser on the network could do this.
func checkPages(r *http.Request, before, after config.Config) error {
	origin, err := url.Parse(r.Header.Get("Origin"))
	if err == nil && (origin.Host == "" && origin.Path == "" || origin.Host == r.Host) {
		return nil
	}
	for _, m := range []struct{ name, before, after string }{
		{"ptp_status_script", before.PTPStatusScript, after.PTPStatusScript},
		{"http_base_dir", before.HTTPBaseDir, after.HTTPBaseDir},
		{"status_file", before.StatusFile, after.StatusFile},
		{"audio_ports", before.AudioPorts, after.AudioPorts}, // which play and record files
	} {
		if m.before != m.after {
			return &config.ValueError{Member: m.name, Value: m.after, Reason: "must not be changed by a page of another web server; change it in the configuration file"}
		}
	}
	return nil
}

func (s *server) setPTPConfig(c *gin.Context) {
	b, ok := read(c)
	if !ok {
		return
	}
	var p driver.PTPConfig
	if err := lenient.Unmarshal(b, &p, "domain", "dscp"); err != nil {
		refuse(c, http.StatusBadRequest, err.Error())
		return
	}
	s.update(c, "failed to set ptp config", func(to *config.Config) error {
		to.PTPDomain, to.PTPDSCP = p.Domain, p.DSCP
		return nil
	})
}

// update changes the configuration and puts the change into effect, or answers why it
// cannot.
func (s *server) update(c *gin.Context, tried string, change func(*config.Config) error) {
	before, after, err := s.Config.Update(change)
	if _, ok := errors.AsType[*lenient.Error](err); ok {
		refuse(c, http.StatusBadRequest, err.Error())
		return
	}
	if _, ok := errors.AsType[*config.ValueError](err); ok {
		refuse(c, http.StatusBadRequest, tried+" : (daemon) "+err.Error())
		return
	}
	if err != nil {
		refuse(c, http.StatusInternalServerError, "failed to save config: "+err.Error())
		return
	}
	if s.Apply == nil || before == after {
		return
	}
	// A client that goes away must not leave a change half done.
	if err := s.Apply(context.WithoutCancel(c.Request.Context())); err != nil {
		s.takeBack(before, after)
		fail(c, tried, err)
	}
}

// takeBack undoes a change, unless the configuration has been changed again since.
func (s *server) takeBack(before, after config.Config) {
	if _, _, err := s.Config.Update(func(to *config.Config) error {
		if *to == after {
			*to = before
		}
		return nil
	}); err != nil {
		s.Log.Error("cannot take back a configuration that could not be applied", "error", err)
	}
}
