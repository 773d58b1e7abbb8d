# A slim service without root: docker build -t segue . && docker run -p 8000:8000 -v ./models:/models:ro -v segue:/state segue
# See docs/serve.md. Keys are asked for: make one with segue key NAME --keys models/keys.json.
FROM python:3.13-slim AS build
WORKDIR /build
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
RUN python -m venv /segue \
 && /segue/bin/pip install --no-cache-dir -c constraints.txt hatchling editables \
 && /segue/bin/pip install --no-cache-dir -c constraints.txt --no-build-isolation ".[serve]" \
 && /segue/bin/pip uninstall -y hatchling editables

FROM python:3.13-slim
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --create-home segue && mkdir /state && chown segue /state
COPY --from=build /segue /segue
USER segue
ENV PATH=/segue/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PORT=8000 SEGUE_BUNDLE=/models/skip.bundle SEGUE_KEYS=/models/keys.json
VOLUME /state
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
 CMD python -c "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/ready', timeout=2)"
CMD ["sh", "-c", "exec segue serve $SEGUE_BUNDLE --host 0.0.0.0 --keys $SEGUE_KEYS --state /state/segue.sqlite"]
