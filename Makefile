# aes67os: build, try, test. 'make help' lists what there is.

BOARD ?= x86-64
# The boards that there are, for tests.
BOARDS = x86-64 qemu-arm64 nanopi-neo2
FIRMWARE = go run ./firmware
# What the build and the tests need beyond Go, as Debian packages.
IMAGE_PACKAGES = ca-certificates debian-archive-keyring git
RUN_PACKAGES = qemu-system-x86 ovmf qemu-system-arm
TEST_PACKAGES = $(RUN_PACKAGES) u-boot-tools device-tree-compiler dosfstools mtools gcc libc6-dev chromium curl e2fsprogs iproute2 procps systemd \
	dbus avahi-daemon avahi-utils tshark ffmpeg linuxptp pipewire pipewire-bin \
	gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad

export CGO_ENABLED = 0

.DEFAULT_GOAL := help
.PHONY: help image images debug-image run test unit race fuzz e2e soak reproducible lint bench install uninstall clean image-packages run-packages test-packages

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  BOARD=$(BOARD)"

image: image-packages ## build the bootable image: out/aes67os-$(BOARD).img
	$(FIRMWARE) build -board $(BOARD)

debug-image: image-packages ## the same with a root shell on the serial console
	$(FIRMWARE) build -board $(BOARD) -debug

run: run-packages image ## start the image in QEMU and print the page's address
	$(FIRMWARE) run -board $(BOARD)

test: lint unit race fuzz e2e reproducible ## everything: static checks, unit, race, fuzz, namespaces, QEMU, browser

# The rooms' own tests; those in test/ need an image.
ROOMS = $$(go list ./... | grep -v '^aes67os/test')

unit: test-packages
	go test $(ROOMS)

race: test-packages
	CGO_ENABLED=1 go test -race $(ROOMS)

# How long each fuzz test looks for what breaks a parser, and where: those that read the
# network, or '.' for all.
FUZZTIME ?= 3s
FUZZED ?= ./aes67d ./driver ./init/network

fuzz: ## fuzz every parser that reads the network for a while (FUZZTIME, FUZZED=. for all)
	@mkdir -p out
	@grep -r '^func Fuzz' --include='*_test.go' $(FUZZED) | sed 's|/[^/]*:func \(Fuzz[A-Za-z0-9]*\).*| \1|' | sort | while read -r dir name; do \
	echo "$$dir $$name"; go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) $$dir >out/fuzz.log 2>&1 || { cat out/fuzz.log; exit 1; }; done

images: image-packages ## build the image of every board
	@for b in $(BOARDS); do $(FIRMWARE) build -board $$b || exit 1; done

# One package after the other: a busy machine loses audio.
e2e: test-packages images debug-image
	go test -count=1 -v -p 1 -timeout 20m ./test/...

SOAK ?= 10m

soak: test-packages image debug-image ## audio for hours: what 'make test' does for seconds, for SOAK (10m) each
	AES67OS_SOAK=$(SOAK) go test -count=1 -v -p 1 -timeout 6h ./test/audio ./test/e2e -run 'TestBitExact|TestAudio'
	go run ./test/bench -only audio/latency -long
	go run ./test/bench -only audio/appliance -long

reproducible: images ## build every image twice from one commit and compare
	@for b in $(BOARDS); do rm -rf out/again; $(FIRMWARE) build -board $$b -out out/again && \
	cmp out/aes67os-$$b.img out/again/aes67os-$$b.img && \
	cmp out/aes67os-$$b.SHA256SUMS out/again/aes67os-$$b.SHA256SUMS || exit 1; done
	rm -rf out/again

lint: ## gofmt, go vet, staticcheck
	@unformatted=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); test -z "$$unformatted" || { echo "gofmt would change: $$unformatted"; exit 1; }
	go vet ./...
	go tool staticcheck ./...

bench: test-packages image ## measure, and print a table of ratios
	go run ./test/bench -board $(BOARD)

# Where aes67d goes on a host of your own. systemd looks for units below /usr/local and
# /usr alone.
PREFIX ?= /usr/local
INSTALLED = bin/aes67d lib/systemd/system/aes67d.service lib/sysusers.d/aes67d.conf lib/tmpfiles.d/aes67d.conf
# Whether this is an installation into the running system, and systemd runs it.
LIVE = test -z "$(DESTDIR)" && test -d /run/systemd/system

install: ## install aes67d with its systemd unit on this host (PREFIX, DESTDIR)
	version=$$(TZ=UTC git log -1 --no-show-signature --date=format-local:%Y.%m.%d-%H%M --format=%cd.%H | cut -c-23)$$(test -z "$$(git status --porcelain)" || echo -changed); \
	go build -trimpath -tags nomsgpack -ldflags "-s -w -X main.version=$${version:-devel}" -o out/install/ ./aes67d
	sed 's|/usr/local/bin/|$(PREFIX)/bin/|' aes67d/systemd/aes67d.service > out/install/aes67d.service
	install -D -m 755 out/install/aes67d $(DESTDIR)$(PREFIX)/bin/aes67d
	install -D -m 644 out/install/aes67d.service $(DESTDIR)$(PREFIX)/lib/systemd/system/aes67d.service
	install -D -m 644 aes67d/systemd/aes67d.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/aes67d.conf
	install -D -m 644 aes67d/systemd/aes67d.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/aes67d.conf
	test -e $(DESTDIR)/etc/aes67d/daemon.conf || install -D -m 644 aes67d/systemd/daemon.conf $(DESTDIR)/etc/aes67d/daemon.conf
	@if $(LIVE); then systemd-sysusers aes67d.conf && systemd-tmpfiles --create aes67d.conf && systemctl daemon-reload && \
	echo "start it with: systemctl enable --now aes67d"; fi

uninstall: ## remove what install has installed; configuration and state stay
	@if $(LIVE) && systemctl cat aes67d >/dev/null 2>&1; then systemctl disable --now aes67d; fi
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/,$(INSTALLED))
	@if $(LIVE); then systemctl daemon-reload; fi

clean: ## remove what was built; downloads stay in the user's cache
	rm -rf out

# Installs what is missing, which needs root; says what is missing without.
define need
	@missing=; for p in $(1); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; done; \
	test -z "$$missing" || { echo "installing:$$missing"; \
	test "$$(id -u)" = 0 || { echo "this needs root; run: apt-get install$$missing"; exit 1; }; \
	apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends $$missing; }
endef

image-packages:
	$(call need,$(IMAGE_PACKAGES))
	@# The builder takes the mirror from apt, which knows it once it has been updated.
	@ls /var/lib/apt/lists/*Release >/dev/null 2>&1 || test "$$(id -u)" != 0 || apt-get update -q
run-packages:
	$(call need,$(RUN_PACKAGES))
test-packages:
	$(call need,$(TEST_PACKAGES))
