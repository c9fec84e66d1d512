# The server with its data in /data. `docker compose up` builds and starts it; see docs/from-azure.md.
FROM python:3.12-slim

COPY pyproject.toml README.md LICENSE /source/
COPY core /source/core
COPY adapters /source/adapters
COPY config /source/config
COPY migrations /source/migrations
RUN pip install --no-cache-dir '/source[http,signed,evaluation,optimization]'

RUN useradd --uid 10001 --no-create-home loopledger && install --directory --owner loopledger /data
USER loopledger
VOLUME /data
EXPOSE 8765

# For every command that is called in the container, such as `loopledger keys create LOOP`.
ENV LOOPLEDGER_DATA=/data
CMD ["loopledger", "--data", "/data", "serve", "--host", "0.0.0.0"]

# Over plain http, as the server speaks without a certificate.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8765/health', timeout=4)"]
