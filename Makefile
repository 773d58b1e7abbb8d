# Works on a fresh Debian or Ubuntu with Python 3.11 or newer. PYTHON=/path/to/python3 chooses another one.
BENCHES := benchmarks/start.py benchmarks/live.py benchmarks/skip.py benchmarks/start_clock.py benchmarks/worlds.py \
	benchmarks/reachable.py benchmarks/marks.py benchmarks/history.py
WITH :=

help:
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 16

demo: report ## install what is needed, then see it work
	@start=$$(date +%s); .venv/bin/segue demo; failed=$$?; echo "run: $$(($$(date +%s) - start)) s"; exit $$failed

test: ## every test, those of Spark, of pages in Chromium and the slow ones too (plain pytest leaves those out)
	@scripts/prepare test
	@scripts/prepare browser || true
	@if scripts/prepare java; then marks=""; else marks="not spark"; fi; \
	.venv/bin/python -m pytest -n 2 --dist loadfile -m "$$marks"

torture: ## the same properties, tried with very many more examples
	@scripts/prepare test
	@if scripts/prepare java; then marks=""; else marks="not spark"; fi; \
	PYTHONPATH=tests .venv/bin/python -m pytest -v -m "$$marks" -p torture --hypothesis-profile=torture --timeout=7200

lint: dev ## ruff and mypy
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy

format: dev ## lay the code out as lint wants it
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

bench: core ## figures beside named peers (an hour)
	@for bench in $(BENCHES); do .venv/bin/python $$bench || exit 1; done

bench-skip: ## every skip model in both worlds, beside the rebuilt winner: a day; WITH=--quick for an hour
	@scripts/prepare test
	@.venv/bin/python benchmarks/bench_skip.py $(WITH)

bench-next: ## every model that continues playlists, on the real ones: an hour; WITH=--quick for twenty minutes
	@scripts/prepare test
	@.venv/bin/python benchmarks/bench_next.py $(WITH)

bench-next-play: ## what plays next in sessions: two worlds with a known ceiling, and real histories: an hour; WITH=--quick for ten minutes
	@scripts/prepare test
	@.venv/bin/python benchmarks/bench_next_play.py $(WITH)

bench-length: ## how long they stay: a simulated Last.fm-1K whose hazards are known, the published arms, real histories: three hours; WITH=--quick for half an hour
	@scripts/prepare test
	@.venv/bin/python benchmarks/bench_length.py $(WITH)

bench-engine: ## reading, features and tensors of up to 3,000,000 sessions beside DuckDB, polars, pandas, Spark: hours; WITH=--quick for some minutes
	@scripts/prepare test
	@.venv/bin/python benchmarks/bench_engine.py $(WITH)

serve: serve-ready ## serve what make demo left behind: a page at http://127.0.0.1:8000, the API's documentation at /docs
	@test -d demo/skip.bundle || $(MAKE) --no-print-directory demo
	@.venv/bin/segue serve demo/skip.bundle demo/challenge.bundle demo/length.bundle --state demo/state.sqlite $(WITH)

serve-ready:
	@scripts/prepare serve

bench-serve: ## the service under open-loop load, beside FastAPI and Flask: half an hour; WITH=--quick for ten minutes
	@scripts/prepare test
	@.venv/bin/python benchmarks/bench_serve.py $(WITH)

clean: ## forget .venv, caches and builds
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist spark-warehouse
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

core dev report:
	@scripts/prepare $@

.PHONY: help demo test torture lint format bench bench-skip bench-next bench-next-play bench-length bench-serve bench-engine serve serve-ready clean core dev report
