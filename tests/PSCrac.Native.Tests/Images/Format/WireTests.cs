using System.Reflection;
using System.Text;
using PSCrac.Images.Format;
using Xunit;

namespace PSCrac.Tests.Images.Format;

/// <summary>Compares the field numbers of typed readers with the schemas.</summary>
public class WireTests
{
    [Fact]
    public void Every_field_number_matches_the_schemas()
    {
        Type[] messages = typeof(Wire).GetNestedTypes(BindingFlags.NonPublic);
        Assert.NotEmpty(messages);
        foreach (Type type in messages)
        {
            SchemaMessage message = ImageSchema.Get(ToSnakeCase(type.Name));
            foreach (FieldInfo constant in type.GetFields(BindingFlags.NonPublic | BindingFlags.Static))
            {
                if (constant.Name == nameof(Wire.PstreeEntry.Required))
                {
                    Assert.Equal(message.Required, (ulong)constant.GetRawConstantValue()!);
                    continue;
                }

                SchemaField? field = message.Fields.SingleOrDefault(f => f.Name == ToSnakeCase(constant.Name));
                Assert.True(field is not null, $"{message.Name} has no {ToSnakeCase(constant.Name)}");
                Assert.Equal((int)constant.GetRawConstantValue()!, field.Number);
            }
        }
    }

    [Fact]
    public void Every_file_type_has_its_message()
    {
        foreach (ImageType type in ImageType.All)
        {
            Assert.True(ImageSchema.Messages.ContainsKey(type.Message!), type.Message);
        }
    }

    [Fact]
    public void Required_fields_have_numbers_that_fit_the_bits() =>
        Assert.All(ImageSchema.Messages.Values, message => Assert.All(message.Fields, field => Assert.True(!field.IsRequired || field.Number < 64, $"{message.Name}.{field.Name}")));

    private static string ToSnakeCase(string name)
    {
        var text = new StringBuilder();
        foreach (char c in name)
        {
            if (char.IsUpper(c) && text.Length > 0)
            {
                text.Append('_');
            }

            text.Append(char.ToLowerInvariant(c));
        }

        return text.ToString();
    }
}
