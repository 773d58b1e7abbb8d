# A slim service without root. Keys are asked for; their file and the state are yours alone, so it runs as you:
#   mkdir -p models state && cp -r skip.bundle models/ && segue key NAME --keys models/keys.json && docker build -t segue .
#   docker run -p 8000:8000 --user "$(id -u):$(id -g)" -v "$PWD/models:/models:ro" -v "$PWD/state:/state" segue
# Left to its own user, it must be given them: sudo chown -R 10001 models state. See docs/serve.md.
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
