// A small HTTP server on node.
'use strict';
const http = require('node:http');
let count = 0;
http.createServer((request, response) => {
    const name = /^\/hello\/(\w+)$/.exec(request.url)?.[1];
    response.writeHead(name || request.url === '/health' ? 200 : 404, { 'Content-Type': 'text/plain' });
    response.end(name ? `Hello, ${name}, caller ${++count}` : 'up');
}).listen(Number(process.argv[2]), '127.0.0.1');
