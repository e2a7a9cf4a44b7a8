using System.Globalization;
using System.Text;
using System.Xml;

namespace PSCrac.Formatting;

/// <summary>
/// A picture of a measurement as SVG: a row for the starts and one for the restores, a dot for each sample along an axis
/// of time, and a bar at the median.
/// </summary>
internal sealed class StartupPlot
{
    private const string Namespace = "http://www.w3.org/2000/svg";
    private const int Width = 720;
    private const int Height = 230;
    private const int Left = 110;
    private const int Right = 40;
    private const int AxisY = 180;
    private const int MaximumTitleLength = 70;
    private const string Ink = "#24292f";
    private const string Pale = "#d0d7de";
    private const string Grey = "#57606a";

    private readonly CracStartupMeasurement _measurement;
    private readonly XmlWriter _svg;
    private readonly double _step;
    private readonly double _longest;

    private StartupPlot(CracStartupMeasurement measurement, XmlWriter svg)
    {
        _measurement = measurement;
        _svg = svg;
        double longest = measurement.Samples.Max(static sample => sample.ReadyTime.TotalMilliseconds);
        _step = NiceStep(longest / 5);
        _longest = Math.Max(_step, Math.Ceiling(longest / _step) * _step);
    }

    /// <summary>The picture of a measurement.</summary>
    /// <param name="measurement">The measurement.</param>
    /// <returns>An SVG document.</returns>
    internal static string Draw(CracStartupMeasurement measurement)
    {
        var text = new StringBuilder();
        using (var svg = XmlWriter.Create(text, new XmlWriterSettings { Indent = true, OmitXmlDeclaration = true }))
        {
            new StartupPlot(measurement, svg).Draw();
        }

        return text.Append('\n').ToString();
    }

    private void Draw()
    {
        _svg.WriteStartElement("svg", Namespace);
        Attributes(("viewBox", $"0 0 {Width} {Height}"), ("width", Width), ("height", Height), ("font-family", "sans-serif"), ("font-size", 13));
        Element("rect", ("width", Width), ("height", Height), ("fill", "white"));
        Text(20, 28, Title(), Ink, weight: "bold", size: 15);
        Text(20, 48, string.Create(CultureInfo.InvariantCulture, $"time until ready; a restore is {_measurement.Ratio:0.0} times as fast (medians of {_measurement.Cold.Count})"), Grey);
        DrawAxis();
        DrawRow(90, "cold start", "#cf5c36", CracStartKind.Cold, _measurement.Cold);
        DrawRow(145, "restored", "#1f6feb", CracStartKind.Restored, _measurement.Restored);
        _svg.WriteEndElement();
    }

    private void DrawAxis()
    {
        for (int i = 0; i * _step <= _longest + (_step / 2); i++)
        {
            double x = X(i * _step);
            Element("line", ("x1", x), ("x2", x), ("y1", 64), ("y2", AxisY), ("stroke", Pale));
            Text(x, AxisY + 18, (i * _step).ToString("#,0.###", CultureInfo.InvariantCulture), Grey, anchor: "middle");
        }

        Text(Width - Right, AxisY + 38, "milliseconds", Grey, anchor: "end");
    }

    private void DrawRow(double y, string label, string colour, CracStartKind kind, CracStartupSummary summary)
    {
        Text(Left - 14, y + 4, label, Ink, anchor: "end");
        int i = 0;
        foreach (CracStartupSample sample in _measurement.Samples.Where(sample => sample.Kind == kind))
        {
            // Dots that would hide each other lie beside each other: seven levels, visited so that neighbours differ.
            double offset = ((i++ * 3 % 7) - 3) * 3.5;
            Element("circle", ("cx", X(sample.ReadyTime.TotalMilliseconds)), ("cy", y + offset), ("r", 4), ("fill", colour), ("fill-opacity", 0.55));
        }

        double median = X(summary.Median.TotalMilliseconds);
        Element("line", ("x1", median), ("x2", median), ("y1", y - 18), ("y2", y + 18), ("stroke", colour), ("stroke-width", 2.5));

        // Beside the dots, on the side that has room.
        double most = X(_measurement.Samples.Where(sample => sample.Kind == kind).Max(static sample => sample.ReadyTime.TotalMilliseconds));
        double least = X(summary.Minimum.TotalMilliseconds);
        string value = string.Create(CultureInfo.InvariantCulture, $"{summary.Median.TotalMilliseconds:#,0} ms");
        bool isRight = most < Width - Right - 90;
        Text(isRight ? most + 14 : least - 14, y + 4, value, colour, anchor: isRight ? "start" : "end", weight: "bold");
    }

    private string Title()
    {
        string command = _measurement.Command.ReplaceLineEndings(" ");
        return command.Length <= MaximumTitleLength ? command : command[..(MaximumTitleLength - 1)] + "…";
    }

    private double X(double milliseconds) => Left + (milliseconds / _longest * (Width - Left - Right));

    private static double NiceStep(double raw)
    {
        double power = Math.Pow(10, Math.Floor(Math.Log10(Math.Max(raw, 0.001))));
        double factor = raw / power;
        return power * (factor <= 1 ? 1 : factor <= 2 ? 2 : factor <= 5 ? 5 : 10);
    }

    private void Text(double x, double y, string text, string colour, string anchor = "start", string weight = "normal", int size = 13)
    {
        _svg.WriteStartElement("text", Namespace);
        Attributes(("x", x), ("y", y), ("fill", colour), ("text-anchor", anchor), ("font-weight", weight), ("font-size", size));
        _svg.WriteString(text);
        _svg.WriteEndElement();
    }

    private void Element(string name, params ReadOnlySpan<(string Name, object Value)> attributes)
    {
        _svg.WriteStartElement(name, Namespace);
        Attributes(attributes);
        _svg.WriteEndElement();
    }

    private void Attributes(params ReadOnlySpan<(string Name, object Value)> attributes)
    {
        foreach ((string name, object value) in attributes)
        {
            _svg.WriteAttributeString(name, value is double number ? number.ToString("0.##", CultureInfo.InvariantCulture) : Convert.ToString(value, CultureInfo.InvariantCulture));
        }
    }
}
