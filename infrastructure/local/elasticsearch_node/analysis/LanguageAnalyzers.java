package cinema.billing.analysis;

import java.util.Map;
import org.apache.lucene.analysis.Analyzer;
import org.apache.lucene.analysis.en.EnglishAnalyzer;
import org.apache.lucene.analysis.ru.RussianAnalyzer;
import org.elasticsearch.index.analysis.AnalyzerProvider;
import org.elasticsearch.index.analysis.AnalyzerScope;
import org.elasticsearch.index.analysis.PreBuiltAnalyzerProvider;
import org.elasticsearch.indices.analysis.AnalysisModule.AnalysisProvider;
import org.elasticsearch.plugins.AnalysisPlugin;
import org.elasticsearch.plugins.Plugin;

/** The analyzers "russian" and "english" under the names that the full distribution gives them. */
public final class LanguageAnalyzers extends Plugin implements AnalysisPlugin {
    @Override
    public Map<String, AnalysisProvider<AnalyzerProvider<? extends Analyzer>>> getAnalyzers() {
        return Map.of("russian", fixed("russian", new RussianAnalyzer()), "english", fixed("english", new EnglishAnalyzer()));
    }

    private static AnalysisProvider<AnalyzerProvider<? extends Analyzer>> fixed(String name, Analyzer analyzer) {
        return (index, environment, ignored, settings) -> new PreBuiltAnalyzerProvider(name, AnalyzerScope.INDICES, analyzer);
    }
}
