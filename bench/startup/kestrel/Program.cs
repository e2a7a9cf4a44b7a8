// A small web API on Kestrel: what `dotnet new webapi` makes, with one service behind it.
WebApplicationBuilder builder = WebApplication.CreateSlimBuilder(args);
builder.Logging.ClearProviders();
builder.Services.AddSingleton<Greetings>();
builder.WebHost.UseUrls($"http://127.0.0.1:{args[0]}");
WebApplication app = builder.Build();
app.MapGet("/hello/{name}", (string name, Greetings greetings) => greetings.Next(name));
app.MapGet("/health", () => "up");
await app.RunAsync();

internal sealed class Greetings
{
    private long _count;

    internal string Next(string name) => $"Hello, {name}, caller {Interlocked.Increment(ref _count)}";
}
